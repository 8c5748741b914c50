//! Which number everything has in the one module.

use std::collections::HashMap;

use super::members::{Members, Origin};
use super::outline::{Number, Space};
use super::parts::Type;

/// What a core module numbers.
const SPACES: [Space; 4] = [Space::Func, Space::Table, Space::Memory, Space::Global];

/// Numbers in the one module.
#[derive(Default)]
pub(super) struct Numbers {
    /// What it imports, in order.
    pub(super) outside: Vec<(Number, Type)>,
    /// By member, of all that it knows by a number.
    pub(super) members: Vec<HashMap<Number, u32>>,
    new: HashMap<Origin, u32>,
    counts: HashMap<Space, u32>,
}

impl Numbers {
    /// Imports first, as wasm has it, then what each member defines. `None` where something is
    /// imported as what it is not: wasmtime shall say so of the component as it was.
    pub(super) fn assign(members: &Members<'_>) -> Option<Self> {
        let mut numbers = Numbers::default();
        let mut types = HashMap::new();
        for (position, member) in members.list.iter().enumerate() {
            let mut known = HashMap::new();
            for import in &member.parts.imports {
                let space = import.ty.space();
                let count = known.entry(space).or_default();
                let origin = members.origin(position, (space, *count))?;
                *count += 1;
                match origin {
                    Origin::Member(other, (space, index)) => {
                        let parts = &members.list.get(other)?.parts;
                        let ty = parts.defined_type(space, index)?;
                        ty.serves(&import.ty).then_some(())?;
                    }
                    Origin::Outside(number) => {
                        let ty = types.entry(number).or_insert_with(|| {
                            numbers.outside.push((number, import.ty.clone()));
                            numbers.give(origin, space);
                            &import.ty
                        });
                        (*ty == &import.ty).then_some(())?;
                    }
                }
            }
        }
        for (position, member) in members.list.iter().enumerate() {
            for space in SPACES {
                for index in 0..member.parts.defines(space) {
                    numbers.give(Origin::Member(position, (space, index)), space);
                }
            }
        }
        for (position, member) in members.list.iter().enumerate() {
            let mut known = HashMap::new();
            for space in SPACES {
                for index in 0..member.imports(space) + member.parts.defines(space) {
                    let number = (space, index);
                    known.insert(number, numbers.of(members.origin(position, number)?)?);
                }
            }
            numbers.members.push(known);
        }
        Some(numbers)
    }

    fn give(&mut self, origin: Origin, space: Space) {
        let count = self.counts.entry(space).or_default();
        self.new.insert(origin, *count);
        *count += 1;
    }

    /// The number of what has an origin.
    pub(super) fn of(&self, origin: Origin) -> Option<u32> {
        self.new.get(&origin).copied()
    }
}
