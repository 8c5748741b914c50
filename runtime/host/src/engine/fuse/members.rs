//! Which core instances become one, and where each of their imports comes from.

use std::collections::{BTreeSet, HashMap, HashSet};

use wasmparser::{CanonicalFunction, CanonicalOption, DataKind, ElementKind};

use super::outline::{Item, Number, Outline, Space};
use super::parts::Parts;
use crate::engine::limits::CORE_INSTANCES;

/// Aliases of bundles of aliases of …: a chain as long as the component, looked through for each
/// import, would take for ever. Toolchains write one or two.
const HOPS: usize = 16;
/// Instances beyond which a component is not looked at: it would not have run as it was.
const MOST: usize = CORE_INSTANCES as usize;

/// Where something that a module imports comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source<'a> {
    /// What another member exports by a name.
    Member(usize, &'a str),
    /// A core item that is no member's.
    Outside(Number),
}

/// Who defines something that a member knows by a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// A member: its position, and the number among what it defines.
    Member(usize, Number),
    /// None of them.
    Outside(Number),
}

/// An instance that becomes part of the one.
pub(super) struct Member<'a> {
    pub(super) parts: Parts<'a>,
    /// Of each import.
    sources: Vec<Source<'a>>,
    /// The import behind each number that is an import's.
    imported: HashMap<Number, usize>,
    /// How many imports there are in each space: what it defines is numbered behind them.
    counts: HashMap<Space, u32>,
}

impl Member<'_> {
    /// How many of its numbers in a space are imports.
    pub(super) fn imports(&self, space: Space) -> u32 {
        self.counts.get(&space).copied().unwrap_or_default()
    }
}

/// The instances that become one.
pub(super) struct Members<'a> {
    pub(super) list: Vec<Member<'a>>,
    by_instance: HashMap<u32, usize>,
    /// The one goes before this item, which is the first to need any of them.
    pub(super) place: usize,
}

/// What of a component is still needed around the one instance.
pub(super) struct Uses<'a> {
    /// Of each item, whether it stays.
    pub(super) stays: Vec<bool>,
    /// What members export to others.
    pub(super) exports: BTreeSet<(usize, &'a str)>,
}

impl<'a> Members<'a> {
    /// `None` where there are not two that fit, or too many.
    pub(super) fn choose(outline: &Outline<'a>) -> Option<Self> {
        let mut choice = Choice::new(outline);
        for at in 0..outline.items.len() {
            choice.look(at)?;
        }
        let members = Members {
            place: choice.place?,
            ..choice.members
        };
        (members.list.len() > 1).then_some(members)
    }

    /// The member that was an instance.
    pub(super) fn of(&self, instance: u32) -> Option<usize> {
        self.by_instance.get(&instance).copied()
    }

    /// What a member exports by a name.
    pub(super) fn exported(&self, member: usize, name: &str) -> Option<Origin> {
        let number = *self.list.get(member)?.parts.exports.get(name)?;
        self.origin(member, number)
    }

    /// All that a member exports.
    fn exports(&self, member: usize) -> impl Iterator<Item = (usize, &'a str)> {
        let exports = self.list[member].parts.exports.keys();
        exports.map(move |name| (member, *name))
    }

    /// Who defines what a member knows by a number. It ends, since members import from earlier ones.
    pub(super) fn origin(&self, mut member: usize, mut number: Number) -> Option<Origin> {
        loop {
            let it = self.list.get(member)?;
            let Some(import) = it.imported.get(&number) else {
                let (space, index) = number;
                let own = index.checked_sub(it.imports(space))?;
                return Some(Origin::Member(member, (space, own)));
            };
            match it.sources[*import] {
                Source::Outside(number) => return Some(Origin::Outside(number)),
                Source::Member(other, name) => {
                    number = *self.list.get(other)?.parts.exports.get(name)?;
                    member = other;
                }
            }
        }
    }

    /// A core item by its number: whether it is a member's.
    fn source(&self, outline: &Outline<'a>, mut number: Number) -> Option<Source<'a>> {
        for _ in 0..HOPS {
            let Item::CoreAlias(_, instance, name) = outline.item(number)? else {
                return Some(Source::Outside(number));
            };
            if let Some(member) = self.of(*instance) {
                return Some(Source::Member(member, name));
            }
            match outline.item((Space::Instance, *instance))? {
                Item::Bundle(items) => number = *items.get(name)?,
                _ => return Some(Source::Outside(number)),
            }
        }
        None
    }

    /// What must stay around the one instance: the rest was for its members alone.
    pub(super) fn uses(&self, outline: &Outline<'a>) -> Uses<'a> {
        let sources = self.list.iter().flat_map(|it| &it.sources);
        let mut needed: HashSet<Number> = sources
            .filter_map(|it| match it {
                Source::Outside(number) => Some(*number),
                Source::Member(..) => None,
            })
            .collect();
        let mut uses = Uses {
            stays: vec![true; outline.items.len()],
            exports: BTreeSet::new(),
        };
        // Whoever needs something stands behind it.
        for (at, item) in outline.items.iter().enumerate().rev() {
            let number = outline.numbers.get(&at);
            let wanted = number.is_some_and(|it| needed.contains(it));
            match item {
                Item::Canon(canon) => needed.extend(numbers(canon)),
                Item::Instantiate(_, args) => match number.and_then(|it| self.of(it.1)) {
                    Some(_) => uses.stays[at] = false,
                    None => {
                        for instance in args.values() {
                            match self.of(*instance) {
                                Some(member) => uses.exports.extend(self.exports(member)),
                                None => _ = needed.insert((Space::Instance, *instance)),
                            }
                        }
                    }
                },
                Item::Bundle(items) if wanted => needed.extend(items.values()),
                Item::CoreAlias(_, instance, name) if wanted => match self.of(*instance) {
                    Some(member) => {
                        uses.exports.insert((member, name));
                    }
                    None => {
                        needed.insert((Space::Instance, *instance));
                    }
                },
                Item::Bundle(_) | Item::CoreAlias(..) => uses.stays[at] = false,
                Item::Section(..) | Item::Module(_) | Item::Alias(_) => {}
            }
        }
        uses
    }
}

/// The choice, on its way through a component.
struct Choice<'o, 'a> {
    outline: &'o Outline<'a>,
    members: Members<'a>,
    place: Option<usize>,
    /// How many instances each module has.
    instances: HashMap<u32, usize>,
    /// Tables and memories that instances behind the place have in hand.
    touched: HashSet<Origin>,
    /// Whether one of them may run something of the members' when it is instantiated.
    runs: bool,
}

impl<'o, 'a> Choice<'o, 'a> {
    fn new(outline: &'o Outline<'a>) -> Self {
        let mut instances = HashMap::new();
        for item in &outline.items {
            if let Item::Instantiate(module, _) = item {
                *instances.entry(*module).or_default() += 1;
            }
        }
        Choice {
            outline,
            members: Members {
                list: Vec::new(),
                by_instance: HashMap::new(),
                place: 0,
            },
            place: None,
            instances,
            touched: HashSet::new(),
            runs: false,
        }
    }

    fn look(&mut self, at: usize) -> Option<()> {
        match &self.outline.items[at] {
            Item::Canon(canon) => {
                let mut sources = numbers(canon).into_iter();
                if sources.any(|it| self.is_members(it)) {
                    self.place.get_or_insert(at);
                }
            }
            Item::Instantiate(..) => {
                if let Some(member) = self.candidate(at) {
                    let (_, instance) = *self.outline.numbers.get(&at)?;
                    let position = self.members.list.len();
                    (position < MOST).then_some(())?;
                    self.members.by_instance.insert(instance, position);
                    self.members.list.push(member);
                } else {
                    self.other(at)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn is_members(&self, number: Number) -> bool {
        matches!(
            self.members.source(self.outline, number),
            Some(Source::Member(..))
        )
    }

    /// The instance as a member, where it can be made at the place as well as where it stands.
    fn candidate(&self, at: usize) -> Option<Member<'a>> {
        let Item::Instantiate(module, args) = &self.outline.items[at] else {
            return None;
        };
        let module = (self.instances.get(module) == Some(&1)).then_some(*module)?;
        let parts = self.parts(module)?;
        let mut sources = Vec::new();
        let mut imported = HashMap::new();
        let mut counts: HashMap<Space, u32> = HashMap::new();
        for (n, import) in parts.imports.iter().enumerate() {
            let source = self.import(*args.get(import.module)?, import.name)?;
            if let Source::Outside(number) = source {
                let place = self.place.unwrap_or(at);
                (self.outline.place(number)? < place).then_some(())?;
            }
            sources.push(source);
            let count = counts.entry(import.ty.space()).or_default();
            imported.insert((import.ty.space(), *count), n);
            *count += 1;
        }
        let member = Member {
            parts,
            sources,
            imported,
            counts,
        };
        (self.place.is_none() || self.passes(&member)).then_some(member)
    }

    fn parts(&self, module: u32) -> Option<Parts<'a>> {
        let place = *self.outline.modules.get(module as usize)?;
        match self.outline.items[place] {
            Item::Module(module) => Parts::read(module),
            _ => None,
        }
    }

    fn import(&self, instance: u32, name: &'a str) -> Option<Source<'a>> {
        if let Some(member) = self.members.of(instance) {
            return Some(Source::Member(member, name));
        }
        match self.outline.item((Space::Instance, instance))? {
            Item::Bundle(items) => self.members.source(self.outline, *items.get(name)?),
            // Nothing has a number by which another instance could get it.
            _ => None,
        }
    }

    /// Whether nobody can tell that it is instantiated before those that stand between the place
    /// and itself: it writes at its instantiation where none of them does.
    fn passes(&self, member: &Member<'a>) -> bool {
        let mut elements = member.parts.elements.iter();
        let mut data = member.parts.data.iter();
        let writes = elements.any(|it| matches!(it.kind, ElementKind::Active { .. }))
            || data.any(|it| matches!(it.kind, DataKind::Active { .. }));
        let mut imports = member.parts.imports.iter().zip(&member.sources);
        let untouched = |source: &Source<'a>| match *source {
            Source::Outside(_) => false,
            Source::Member(other, name) => {
                let origin = self.members.exported(other, name);
                origin.is_some_and(|it| !self.touched.contains(&it))
            }
        };
        !writes
            || !self.runs
                && imports.all(|(import, source)| {
                    !matches!(import.ty.space(), Space::Table | Space::Memory) || untouched(source)
                })
    }

    /// An instance that stays by itself: it may come after the one, and hold what is a member's.
    fn other(&mut self, at: usize) -> Option<()> {
        let Item::Instantiate(module, args) = &self.outline.items[at] else {
            return None;
        };
        let mut held = Vec::new();
        for instance in args.values() {
            if let Some(member) = self.members.of(*instance) {
                held.extend(self.members.exports(member));
            } else if let Item::Bundle(items) = self.outline.item((Space::Instance, *instance))? {
                for number in items.values() {
                    match self.members.source(self.outline, *number)? {
                        Source::Member(member, name) => held.push((member, name)),
                        Source::Outside(_) => {}
                    }
                }
            }
        }
        self.runs |= !held.is_empty() && self.parts(*module).is_none();
        for (member, name) in held {
            self.place.get_or_insert(at);
            let (space, _) = *self.members.list.get(member)?.parts.exports.get(name)?;
            if matches!(space, Space::Table | Space::Memory) {
                self.touched.insert(self.members.exported(member, name)?);
            }
        }
        Some(())
    }
}

/// The core items that a function by the canonical ABI needs.
pub(super) fn numbers(canon: &CanonicalFunction) -> Vec<Number> {
    let (function, options) = match canon {
        CanonicalFunction::Lift {
            core_func_index,
            options,
            ..
        } => (Some(*core_func_index), options),
        CanonicalFunction::Lower { options, .. } => (None, options),
        _ => return Vec::new(),
    };
    let options = options.iter().filter_map(|it| match it {
        CanonicalOption::Memory(it) => Some((Space::Memory, *it)),
        CanonicalOption::Realloc(it)
        | CanonicalOption::PostReturn(it)
        | CanonicalOption::Callback(it) => Some((Space::Func, *it)),
        _ => None,
    });
    let function = function.map(|it| (Space::Func, it));
    function.into_iter().chain(options).collect()
}
