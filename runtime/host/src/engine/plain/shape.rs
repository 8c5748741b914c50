//! Types of WIT as they are needed here: without names of their own, and how they lie in
//! memory (the Canonical ABI of the component model, "Alignment", "Element Size" and
//! "Flattening").

use serde::{Deserialize, Serialize};

/// How deep types may lie in each other: what is written for them recurses as deep.
pub(super) const DEPTH: usize = 64;
/// Types that a component's functions may have together, those that lie in others included.
/// What is used twice counts twice, for it is written twice: 30 records of two of the one
/// before are a billion.
pub(super) const TYPES: usize = 10_000;
/// Names of cases and flags that these may have: one type may have 10,000.
pub(super) const NAMES: usize = 100_000;
/// Values that are passed one by one; more of them come in memory.
pub(super) const FLAT_PARAMETERS: usize = 16;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Shape {
    Bool,
    Integer(Integer),
    F32,
    F64,
    Char,
    Text,
    /// `list<u8>`: one value, and no list of numbers.
    Bytes,
    List(Box<Shape>),
    Tuple(Vec<Shape>),
    Record(Vec<(String, Shape)>),
    Variant(Vec<(String, Option<Shape>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(Box<Shape>),
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Integer {
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
}

/// A value as core WebAssembly passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flat {
    I32,
    I64,
    F32,
    F64,
}

/// How much memory a value takes, and what its address is a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size: usize,
    pub(super) align: usize,
}

impl Integer {
    /// How many bytes it has.
    pub(super) fn size(self) -> usize {
        match self {
            Integer::U8 | Integer::S8 => 1,
            Integer::U16 | Integer::S16 => 2,
            Integer::U32 | Integer::S32 => 4,
            Integer::U64 | Integer::S64 => 8,
        }
    }

    pub(super) fn is_signed(self) -> bool {
        matches!(
            self,
            Integer::S8 | Integer::S16 | Integer::S32 | Integer::S64
        )
    }

    /// The smallest and the largest.
    pub(super) fn range(self) -> [i128; 2] {
        let bits = 8 * self.size();
        match self.is_signed() {
            true => [-(1 << (bits - 1)), (1 << (bits - 1)) - 1],
            false => [0, (1 << bits) - 1],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Integer::U8 => "u8",
            Integer::S8 => "s8",
            Integer::U16 => "u16",
            Integer::S16 => "s16",
            Integer::U32 => "u32",
            Integer::S32 => "s32",
            Integer::U64 => "u64",
            Integer::S64 => "s64",
        }
    }
}

impl Shape {
    pub(super) fn layout(&self) -> Layout {
        let inner: Vec<_> = self.inner().into_iter().map(Shape::layout).collect();
        self.layout_of(&inner).0
    }

    /// The types that lie in one, and in its memory.
    pub(super) fn inner(&self) -> Vec<&Shape> {
        match self {
            Shape::Tuple(items) => items.iter().collect(),
            Shape::Record(fields) => fields.iter().map(|(_, it)| it).collect(),
            Shape::List(element) => vec![element],
            Shape::Variant(_) | Shape::Option(_) | Shape::Result(..) => {
                self.cases().into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// How it lies in memory where those in it lie so; and where what a choice holds begins.
    pub(super) fn layout_of(&self, inner: &[Layout]) -> (Layout, usize) {
        let scalar = |size| (Layout { size, align: size }, 0);
        match self {
            Shape::Bool => scalar(1),
            Shape::Integer(integer) => scalar(integer.size()),
            Shape::F32 | Shape::Char => scalar(4),
            Shape::F64 => scalar(8),
            Shape::Text | Shape::Bytes | Shape::List(_) => (Layout { size: 8, align: 4 }, 0),
            Shape::Tuple(_) | Shape::Record(_) => (sequence(inner.iter().copied()), 0),
            Shape::Flags(names) => scalar(flag_bytes(names.len())),
            Shape::Variant(_) | Shape::Enum(_) | Shape::Option(_) | Shape::Result(..) => {
                let mut align = 1;
                let mut size = 0;
                for layout in inner {
                    size = size.max(layout.size);
                    align = align.max(layout.align);
                }
                let payload_at = self.tag().next_multiple_of(align);
                let align = align.max(self.tag());
                let size = (payload_at + size).next_multiple_of(align);
                (Layout { size, align }, payload_at)
            }
        }
    }

    /// What a choice may hold, case by case. Those of an enum hold nothing, and are left away.
    pub(super) fn cases(&self) -> Vec<Option<&Shape>> {
        match self {
            Shape::Variant(cases) => cases.iter().map(|(_, it)| it.as_ref()).collect(),
            Shape::Option(some) => vec![None, Some(some)],
            Shape::Result(ok, error) => vec![ok.as_deref(), error.as_deref()],
            _ => Vec::new(),
        }
    }

    /// The name of a case, and what it may hold.
    pub(super) fn case(&self, n: usize) -> Option<(&str, Option<&Shape>)> {
        match self {
            Shape::Variant(cases) => cases.get(n).map(|(name, it)| (&**name, it.as_ref())),
            Shape::Enum(names) => names.get(n).map(|name| (&**name, None)),
            Shape::Result(ok, _) if n == 0 => Some(("ok", ok.as_deref())),
            Shape::Result(_, error) if n == 1 => Some(("err", error.as_deref())),
            _ => None,
        }
    }

    /// How many cases it has.
    fn case_count(&self) -> usize {
        match self {
            Shape::Variant(cases) => cases.len(),
            Shape::Enum(names) => names.len(),
            _ => 2,
        }
    }

    /// The names of cases, which both are told by.
    pub(super) fn case_names(&self) -> Vec<&str> {
        match self {
            Shape::Variant(cases) => cases.iter().map(|(name, _)| &**name).collect(),
            Shape::Enum(names) => names.iter().map(|it| &**it).collect(),
            Shape::Result(..) => vec!["ok", "err"],
            _ => Vec::new(),
        }
    }

    /// Whether bytes lie in it.
    pub(super) fn has_bytes(&self) -> bool {
        self.has(&|it| *it == Shape::Bytes)
    }

    /// Whether bytes or texts lie in it.
    pub(super) fn has_strings(&self) -> bool {
        self.has(&|it| matches!(it, Shape::Bytes | Shape::Text))
    }

    fn has(&self, wanted: &dyn Fn(&Shape) -> bool) -> bool {
        let any = |some: &Option<Box<Shape>>| some.as_ref().is_some_and(|it| it.has(wanted));
        match self {
            it if wanted(it) => true,
            Shape::List(it) | Shape::Option(it) => it.has(wanted),
            Shape::Tuple(items) => items.iter().any(|it| it.has(wanted)),
            Shape::Record(fields) => fields.iter().any(|(_, it)| it.has(wanted)),
            Shape::Variant(cases) => cases
                .iter()
                .any(|(_, it)| it.as_ref().is_some_and(|it| it.has(wanted))),
            Shape::Result(ok, error) => any(ok) || any(error),
            _ => false,
        }
    }

    /// What a value of it is called.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Shape::Bool => "a boolean",
            Shape::Integer(_) => "an integer",
            Shape::F32 | Shape::F64 => "a number",
            Shape::Char | Shape::Text => "a text",
            Shape::Bytes => "bytes",
            Shape::List(_) | Shape::Tuple(_) | Shape::Flags(_) => "a list",
            Shape::Record(_) => "an object",
            Shape::Variant(_) | Shape::Result(..) => "a name, or an object of one",
            Shape::Enum(_) => "a name",
            Shape::Option(some) => some.what(),
        }
    }

    /// Bytes of the number that says which case a choice is.
    pub(super) fn tag(&self) -> usize {
        match self {
            Shape::Option(_) | Shape::Result(..) => 1,
            _ => match self.case_count() {
                0..=0x100 => 1,
                0x101..=0x1_0000 => 2,
                _ => 4,
            },
        }
    }

    /// Where what a choice holds begins.
    pub(super) fn payload_at(&self) -> usize {
        let inner: Vec<_> = self.inner().into_iter().map(Shape::layout).collect();
        self.layout_of(&inner).1
    }

    /// As which values it is passed, where it is passed one by one.
    pub(super) fn flat(&self) -> Vec<Flat> {
        match self {
            Shape::Integer(Integer::U64 | Integer::S64) => vec![Flat::I64],
            Shape::Bool | Shape::Integer(_) | Shape::Char | Shape::Flags(_) | Shape::Enum(_) => {
                vec![Flat::I32]
            }
            Shape::F32 => vec![Flat::F32],
            Shape::F64 => vec![Flat::F64],
            Shape::Text | Shape::Bytes | Shape::List(_) => vec![Flat::I32; 2],
            Shape::Tuple(items) => items.iter().flat_map(Shape::flat).collect(),
            Shape::Record(fields) => fields.iter().flat_map(|(_, it)| it.flat()).collect(),
            Shape::Variant(_) | Shape::Option(_) | Shape::Result(..) => {
                let mut flat = vec![Flat::I32];
                for case in self.cases().into_iter().flatten() {
                    for (at, one) in case.flat().into_iter().enumerate() {
                        match flat.get_mut(at + 1) {
                            Some(other) => *other = other.join(one),
                            None => flat.push(one),
                        }
                    }
                }
                flat
            }
        }
    }
}

impl Flat {
    pub(super) fn name(self) -> &'static str {
        match self {
            Flat::I32 => "i32",
            Flat::I64 => "i64",
            Flat::F32 => "f32",
            Flat::F64 => "f64",
        }
    }

    /// What has room for both.
    fn join(self, other: Flat) -> Flat {
        match (self, other) {
            (one, other) if one == other => one,
            (Flat::I32, Flat::F32) | (Flat::F32, Flat::I32) => Flat::I32,
            _ => Flat::I64,
        }
    }
}

/// What values take that lie one after the other.
pub(super) fn sequence(layouts: impl Iterator<Item = Layout>) -> Layout {
    let mut all = Layout { size: 0, align: 1 };
    for layout in layouts {
        all.size = all.size.next_multiple_of(layout.align) + layout.size;
        all.align = all.align.max(layout.align);
    }
    all.size = all.size.next_multiple_of(all.align);
    all
}

/// Bytes of so many flags. More than 32 no component has.
fn flag_bytes(flags: usize) -> usize {
    match flags {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("n{n}")).collect()
    }

    #[test]
    fn values_lie_as_the_canonical_abi_says() {
        let is = |shape: Shape, size, align| assert_eq!(shape.layout(), Layout { size, align });
        let [byte, word] = [Integer::U8, Integer::U64].map(Shape::Integer);
        is(Shape::Tuple(vec![byte.clone(), word.clone()]), 16, 8);
        is(Shape::Tuple(vec![word.clone(), byte.clone()]), 16, 8);
        is(Shape::Option(Box::new(byte.clone())), 2, 1);
        is(Shape::Option(Box::new(word.clone())), 16, 8);
        is(Shape::Option(Box::new(Shape::Text)), 12, 4);
        is(Shape::Result(None, None), 1, 1);
        is(Shape::Enum(names(256)), 1, 1);
        is(Shape::Enum(names(257)), 2, 2);
        is(Shape::Flags(names(9)), 2, 2);
        is(Shape::Flags(names(32)), 4, 4);
        let choice = Shape::Variant(vec![("a".into(), Some(byte)), ("b".into(), Some(word))]);
        assert_eq!(choice.payload_at(), 8);
        is(choice, 16, 8);
    }

    #[test]
    fn cases_share_the_values_that_they_are_passed_in() {
        let choice =
            |some: [Shape; 2]| Shape::Variant(some.map(|it| ("c".into(), Some(it))).into());
        let flat = |some| choice(some).flat();
        assert_eq!(flat([Shape::F32, Shape::Char]), [Flat::I32, Flat::I32]);
        assert_eq!(flat([Shape::F32, Shape::F64]), [Flat::I32, Flat::I64]);
        assert_eq!(flat([Shape::F64, Shape::F64]), [Flat::I32, Flat::F64]);
        let longest = flat([Shape::F32, Shape::Text]);
        assert_eq!(longest, [Flat::I32, Flat::I32, Flat::I32]);
    }

    #[test]
    fn integers_know_their_range() {
        assert_eq!(Integer::S8.range(), [-128, 127]);
        assert_eq!(Integer::U64.range(), [0, i128::from(u64::MAX)]);
        assert_eq!(
            Integer::S64.range().map(|it| it as i64),
            [i64::MIN, i64::MAX]
        );
    }
}
