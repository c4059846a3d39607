//! Flags that people may put a secret into by mistake, as a password into a URL: a wrong value is not repeated.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

/// Reads a value. The usual reader of clap's repeats one that is wrong.
pub struct Discreet<T>(PhantomData<fn() -> T>);

/// Reads a value, and repeats none that is wrong.
pub const fn discreet<T>() -> Discreet<T> {
    Discreet(PhantomData)
}

impl<T> Clone for Discreet<T> {
    fn clone(&self) -> Self {
        discreet()
    }
}

impl<T: FromStr<Err = String> + Clone + Send + Sync + 'static> TypedValueParser for Discreet<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, Error> {
        let text = value.to_str().ok_or_else(|| "must be UTF-8".to_owned());
        text.and_then(T::from_str).map_err(|must| {
            let name = argument.map(ToString::to_string).unwrap_or_default();
            let message = format!("invalid value for '{name}': {must}\n");
            Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}
