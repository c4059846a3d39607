//! Which block has the record of an id: in memory, and made anew at a start from what the blocks contain. Some 50 bytes
//! each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::RwLock;

use crate::policy;
use crate::store::blocks::Number;

type RecordKey = [u8; 16];

/// In parts, so that one that grows is not waited for for long.
pub(super) struct Index([RwLock<HashMap<RecordKey, Number>>; policy::INDEX_PARTS]);

impl Default for Index {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }
}

impl Index {
    fn part(&self, id: &RecordKey) -> &RwLock<HashMap<RecordKey, Number>> {
        &self.0[usize::from(id[0]) % policy::INDEX_PARTS]
    }

    pub(super) fn get(&self, id: &RecordKey) -> Option<Number> {
        self.part(id).read().get(id).copied()
    }

    /// A block has a record of this id; of several the latest counts.
    pub(super) fn lead(&self, id: &RecordKey, number: Number) {
        match self.part(id).write().entry(*id) {
            Entry::Occupied(mut known) => {
                known.insert(number.max(*known.get()));
            }
            Entry::Vacant(place) => {
                place.insert(number);
            }
        }
    }

    /// This block goes, and the record of this id with it, unless there is a later one.
    pub(super) fn forget(&self, id: &RecordKey, number: Number) {
        if let Entry::Occupied(known) = self.part(id).write().entry(*id)
            && *known.get() == number
        {
            known.remove();
        }
    }

    pub(super) fn clear(&self) {
        self.0.iter().for_each(|part| part.write().clear());
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|part| part.read().len()).sum()
    }
}
