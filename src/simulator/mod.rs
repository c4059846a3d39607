//! What test mode pretends: cards that do as they are told. Nothing here moves money or knows a real card.

pub mod cards;
pub mod confirmation;
pub mod rehearsal;
