//! The rules of faults in force: in memory, bounded, in the order in which they were made.

use parking_lot::Mutex;

use crate::domain::fault::{Fault, NewRule, Rule, pick};
use crate::domain::id::{FaultId, KeyId};
use crate::domain::refusal::Refusal;
use crate::policy;

/// The rules.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Puts a rule in force behind all others.
    ///
    /// # Errors
    /// [`Refusal::ParameterInvalid`] when there are as many as there may be.
    pub fn add(&self, id: FaultId, asked: NewRule, key: Option<KeyId>) -> Result<Rule, Refusal> {
        let mut rules = self.0.lock();
        if rules.len() >= policy::FAULT_RULES {
            let most = policy::FAULT_RULES;
            return Err(Refusal::invalid(
                "fault",
                format!(
                    "can't be added: {most} rules are in force. Remove some with DELETE /_mock/faults."
                ),
            ));
        }
        let rule = Rule::new(id, asked, key);
        rules.push(rule.clone());
        Ok(rule)
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.0.lock().is_empty()
    }

    /// Every rule, oldest first.
    pub fn all(&self) -> Vec<Rule> {
        self.0.lock().clone()
    }

    /// Takes a rule out of force.
    ///
    /// # Errors
    /// [`Refusal::FaultNotFound`]
    pub fn remove(&self, id: &FaultId) -> Result<Rule, Refusal> {
        let mut rules = self.0.lock();
        let at = rules.iter().position(|rule| rule.id == *id);
        at.map(|at| rules.remove(at)).ok_or(Refusal::FaultNotFound)
    }

    /// Takes every rule out of force; says how many there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut *self.0.lock()).len()
    }

    /// The fault that hits this request, and the rule that says so; a buyer has no key. Counts it.
    pub fn pick(&self, method: &str, path: &str, key: Option<&KeyId>) -> Option<(FaultId, Fault)> {
        pick(&mut self.0.lock(), method, path, key)
    }

    /// A request that this rule hit was refused by a real limit, so nothing came of the fault.
    pub fn came_to_nothing(&self, id: &FaultId) {
        let mut rules = self.0.lock();
        let rule = rules.iter_mut().find(|rule| rule.id == *id);
        rule.into_iter().for_each(Rule::takes_back);
    }
}
