//! How the types of one call lie in memory, found once for all of its values; and how much
//! work these may make. Nobody can interrupt the host, so a guest's types and a caller's
//! values must not keep it busy for long.

use std::cell::Cell;
use std::collections::HashMap;

use super::shape::{Layout, Shape};

/// Steps of one conversion: values, and names that are looked at. They take a second or less.
const STEPS: u64 = 100_000_000;

/// A conversion has taken all the steps that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

pub(super) struct Laid {
    /// By where a type lies, which it does for as long as the call takes.
    known: HashMap<usize, (Layout, usize)>,
    left: Cell<u64>,
}

impl Laid {
    pub(super) fn of<'s>(shapes: impl Iterator<Item = &'s Shape>) -> Self {
        let mut laid = Laid {
            known: HashMap::new(),
            left: Cell::new(STEPS),
        };
        for shape in shapes {
            laid.add(shape);
        }
        laid
    }

    fn add(&mut self, shape: &Shape) -> Layout {
        let inner = shape.inner();
        // A variant has cases to look at, though none of them holds anything.
        if inner.is_empty() && !matches!(shape, Shape::Variant(_)) {
            return shape.layout();
        }
        let inner: Vec<_> = inner.into_iter().map(|it| self.add(it)).collect();
        let (layout, payload_at) = shape.layout_of(&inner);
        self.known.insert(address(shape), (layout, payload_at));
        layout
    }

    pub(super) fn layout(&self, shape: &Shape) -> Layout {
        let known = self.known.get(&address(shape));
        known.map_or_else(|| shape.layout(), |it| it.0)
    }

    /// Where what a choice holds begins.
    pub(super) fn payload_at(&self, shape: &Shape) -> usize {
        let known = self.known.get(&address(shape));
        known.map_or_else(|| shape.tag(), |it| it.1)
    }

    pub(super) fn spend(&self, steps: usize) -> Result<(), TooMuch> {
        let left = self.left.get().checked_sub(steps as u64).ok_or(TooMuch)?;
        self.left.set(left);
        Ok(())
    }
}

fn address(shape: &Shape) -> usize {
    std::ptr::from_ref(shape).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_many_cases_is_laid_out_once() {
        let cases = (0..300).map(|n| (format!("n{n}"), None)).collect();
        let shape = Shape::Variant(cases);
        let laid = Laid::of(std::iter::once(&shape));
        assert_eq!(laid.known[&address(&shape)], (laid.layout(&shape), 2));
        // Of all else that is not kept, the layout is found without looking at cases.
        let names = (0..300).map(|n| format!("n{n}")).collect();
        assert!(Shape::Enum(names).inner().is_empty());
    }
}
