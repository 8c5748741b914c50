//! A component's outermost level: its items in order, and which number each core item has.

use std::collections::{BTreeMap, HashMap};

use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport,
    ComponentOuterAliasKind, ComponentTypeRef, ExternalKind, Instance,
};

use crate::engine::plain::sections;

/// Core items are numbered in each of these by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Space {
    Func,
    Table,
    Memory,
    Global,
    Instance,
}

impl Space {
    /// `None` for kinds that are not fused.
    pub(super) fn of(kind: ExternalKind) -> Option<Space> {
        match kind {
            ExternalKind::Func => Some(Space::Func),
            ExternalKind::Table => Some(Space::Table),
            ExternalKind::Memory => Some(Space::Memory),
            ExternalKind::Global => Some(Space::Global),
            ExternalKind::Tag | ExternalKind::FuncExact => None,
        }
    }
}

/// A core item: its space and its number there.
pub(super) type Number = (Space, u32);

/// What stands on the outermost level.
pub(super) enum Item<'a> {
    /// What has to do with core items by others only, as it is.
    Section(u8, &'a [u8]),
    /// A core module.
    Module(&'a [u8]),
    /// An instance of a core module: the module, and instances by the name that it imports from.
    Instantiate(u32, BTreeMap<&'a str, u32>),
    /// An instance made of core items by name.
    Bundle(BTreeMap<&'a str, Number>),
    /// A core item that an instance exports.
    CoreAlias(Space, u32, &'a str),
    /// Any other alias.
    Alias(ComponentAlias<'a>),
    /// A function by the canonical ABI.
    Canon(CanonicalFunction),
}

/// The items of a component.
#[derive(Default)]
pub(super) struct Outline<'a> {
    /// In the order in which they stand.
    pub(super) items: Vec<Item<'a>>,
    /// The number that each item made.
    pub(super) numbers: HashMap<usize, Number>,
    /// The item that made each number.
    makers: HashMap<Number, usize>,
    counts: HashMap<Space, u32>,
    /// The item of each core module.
    pub(super) modules: Vec<usize>,
}

impl<'a> Outline<'a> {
    /// `None` where it holds what is not known here.
    pub(super) fn read(component: &'a [u8]) -> Option<Self> {
        let mut outline = Outline::default();
        for (id, bytes) in sections::sections(component).ok()? {
            outline.section(id, bytes)?;
        }
        Some(outline)
    }

    fn section(&mut self, id: u8, bytes: &'a [u8]) -> Option<()> {
        match id {
            sections::MODULE => {
                self.modules.push(self.items.len());
                self.items.push(Item::Module(bytes));
            }
            sections::CORE_INSTANCE => {
                for instance in sections::items::<Instance<'a>>(bytes).ok()? {
                    let item = instance_item(instance.ok()?)?;
                    self.make(Space::Instance, item);
                }
            }
            sections::ALIAS => {
                for alias in sections::items::<ComponentAlias<'a>>(bytes).ok()? {
                    self.alias(alias.ok()?)?;
                }
            }
            sections::CANONICAL => {
                for canon in sections::items::<CanonicalFunction>(bytes).ok()? {
                    self.canon(canon.ok()?)?;
                }
            }
            // Core modules have numbers too, and these would shift them.
            sections::IMPORT => {
                for import in sections::items::<ComponentImport<'a>>(bytes).ok()? {
                    let module = matches!(import.ok()?.ty, ComponentTypeRef::Module(_));
                    (!module).then_some(())?;
                }
                self.items.push(Item::Section(id, bytes));
            }
            sections::EXPORT => {
                for export in sections::items::<ComponentExport<'a>>(bytes).ok()? {
                    let module = export.ok()?.kind == ComponentExternalKind::Module;
                    (!module).then_some(())?;
                }
                self.items.push(Item::Section(id, bytes));
            }
            _ => self.items.push(Item::Section(id, bytes)),
        }
        Some(())
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let space = Space::of(kind)?;
                self.make(space, Item::CoreAlias(space, instance_index, name));
            }
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module,
                ..
            }
            | ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::CoreModule,
                ..
            } => return None,
            other => self.items.push(Item::Alias(other)),
        }
        Some(())
    }

    fn canon(&mut self, canon: CanonicalFunction) -> Option<()> {
        match canon {
            CanonicalFunction::Lift { .. } => self.items.push(Item::Canon(canon)),
            CanonicalFunction::Lower { .. }
            | CanonicalFunction::ResourceNew { .. }
            | CanonicalFunction::ResourceDrop { .. }
            | CanonicalFunction::ResourceRep { .. } => self.make(Space::Func, Item::Canon(canon)),
            _ => return None,
        }
        Some(())
    }

    fn make(&mut self, space: Space, item: Item<'a>) {
        let count = self.counts.entry(space).or_default();
        self.makers.insert((space, *count), self.items.len());
        self.numbers.insert(self.items.len(), (space, *count));
        *count += 1;
        self.items.push(item);
    }

    /// Where the item with a number stands.
    pub(super) fn place(&self, number: Number) -> Option<usize> {
        self.makers.get(&number).copied()
    }

    /// The item with a number.
    pub(super) fn item(&self, number: Number) -> Option<&Item<'a>> {
        self.items.get(self.place(number)?)
    }
}

fn instance_item(instance: Instance<'_>) -> Option<Item<'_>> {
    Some(match instance {
        Instance::Instantiate { module_index, args } => {
            let args = args.iter().map(|it| (it.name, it.index));
            Item::Instantiate(module_index, args.collect())
        }
        Instance::FromExports(exports) => {
            let exports = exports.iter();
            let exports = exports.map(|it| Some((it.name, (Space::of(it.kind)?, it.index))));
            Item::Bundle(exports.collect::<Option<_>>()?)
        }
    })
}
