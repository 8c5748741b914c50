//! The component around the one module: what stood there, in its order, with new numbers.

use std::collections::{BTreeMap, HashMap, HashSet};

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, Component, ComponentAliasSection,
    InstanceSection, ModuleArg, RawSection,
};
use wasmparser::{CanonicalFunction, ComponentAlias};

use super::members::{Members, Uses};
use super::merge::{Merged, OUTSIDE, export_name, kind};
use super::outline::{Item, Number, Outline, Space};
use crate::engine::plain::sections;

/// Bytes of a core module that holds nothing: a member's stays with its number.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

pub(super) fn rewrite(
    outline: &Outline<'_>,
    members: &Members<'_>,
    uses: &Uses<'_>,
    merged: &Merged,
) -> Option<Vec<u8>> {
    let mut rewriter = Rewriter {
        outline,
        members,
        component: Component::new(),
        numbers: HashMap::new(),
        counts: HashMap::new(),
        one: 0,
    };
    rewriter.modules(merged);
    let mut late = Vec::new();
    let mut behind: HashSet<Number> = HashSet::new();
    for (at, item) in outline.items.iter().enumerate() {
        if at == members.place {
            rewriter.one(merged)?;
            for at in late.drain(..) {
                rewriter.item(at)?;
            }
        }
        if !uses.stays[at] {
            continue;
        }
        // What is made of members has to wait for the one; whoever needs it stands behind the place.
        let waits = match item {
            Item::CoreAlias(_, instance, _) => {
                members.of(*instance).is_some() || behind.contains(&(Space::Instance, *instance))
            }
            Item::Bundle(items) => items.values().any(|it| behind.contains(it)),
            _ => false,
        };
        if waits && at < members.place {
            behind.insert(*outline.numbers.get(&at)?);
            late.push(at);
        } else {
            rewriter.item(at)?;
        }
    }
    Some(rewriter.component.finish())
}

struct Rewriter<'r, 'a> {
    outline: &'r Outline<'a>,
    members: &'r Members<'a>,
    component: Component,
    /// The new number of each.
    numbers: HashMap<Number, u32>,
    counts: HashMap<Space, u32>,
    /// The one instance.
    one: u32,
}

impl Rewriter<'_, '_> {
    /// All core modules: they need nothing of what stands around them. The one is the last.
    fn modules(&mut self, merged: &Merged) {
        let instances = self.outline.items.iter().enumerate();
        let gone: HashSet<u32> = instances
            .filter_map(|(at, item)| match item {
                Item::Instantiate(module, _) => {
                    let (_, instance) = self.outline.numbers.get(&at)?;
                    self.members.of(*instance).map(|_| *module)
                }
                _ => None,
            })
            .collect();
        for (module, at) in (0..).zip(&self.outline.modules) {
            if let Item::Module(bytes) = self.outline.items[*at] {
                let bytes = if gone.contains(&module) { EMPTY } else { bytes };
                self.raw(sections::MODULE, bytes);
            }
        }
        self.raw(sections::MODULE, &merged.module);
    }

    /// An instance of the one module.
    fn one(&mut self, merged: &Merged) -> Option<()> {
        let module = u32::try_from(self.outline.modules.len()).ok()?;
        let imports = merged.imports.iter().enumerate();
        let imports = imports.map(|(n, it)| Some((n.to_string(), kind(it.0)?, self.number(*it)?)));
        let imports = imports.collect::<Option<Vec<_>>>()?;
        let mut instances = InstanceSection::new();
        instances.export_items(imports);
        let outside = self.count(Space::Instance);
        instances.instantiate(module, [(OUTSIDE, ModuleArg::Instance(outside))]);
        self.one = self.count(Space::Instance);
        self.component.section(&instances);
        Some(())
    }

    fn item(&mut self, at: usize) -> Option<()> {
        let number = self.outline.numbers.get(&at).copied();
        match &self.outline.items[at] {
            Item::Section(id, bytes) => self.raw(*id, bytes),
            Item::Module(_) => {}
            Item::Alias(alias) => {
                let mut aliases = ComponentAliasSection::new();
                aliases.alias(component_alias(alias)?);
                self.component.section(&aliases);
            }
            Item::CoreAlias(space, instance, name) => match self.members.of(*instance) {
                Some(member) => self.alias(*space, self.one, &export_name(member, name))?,
                None => {
                    let instance = self.number((Space::Instance, *instance))?;
                    self.alias(*space, instance, name)?;
                }
            },
            Item::Bundle(items) => {
                let items = items.iter();
                let items = items.map(|(name, it)| Some((*name, kind(it.0)?, self.number(*it)?)));
                let items = items.collect::<Option<Vec<_>>>()?;
                let mut instances = InstanceSection::new();
                instances.export_items(items);
                self.component.section(&instances);
            }
            Item::Instantiate(module, args) => {
                let mut given = Vec::new();
                for (name, instance) in args {
                    let instance = match self.members.of(*instance) {
                        Some(member) => self.member(member)?,
                        None => self.number((Space::Instance, *instance))?,
                    };
                    given.push((*name, ModuleArg::Instance(instance)));
                }
                let mut instances = InstanceSection::new();
                instances.instantiate(*module, given);
                self.component.section(&instances);
            }
            Item::Canon(canon) => self.canon(canon)?,
        }
        if let Some(number) = number {
            let new = self.count(number.0);
            self.numbers.insert(number, new);
        }
        Some(())
    }

    fn alias(&mut self, space: Space, instance: u32, name: &str) -> Option<()> {
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::CoreInstanceExport {
            instance,
            kind: kind(space)?,
            name,
        });
        self.component.section(&aliases);
        Some(())
    }

    /// An instance that exports what a member did.
    fn member(&mut self, member: usize) -> Option<u32> {
        let exports: BTreeMap<_, _> = self.members.list[member].parts.exports.iter().collect();
        let mut items = Vec::new();
        for (name, (space, _)) in exports {
            self.alias(*space, self.one, &export_name(member, name))?;
            items.push((*name, kind(*space)?, self.count(*space)));
        }
        let mut instances = InstanceSection::new();
        instances.export_items(items);
        self.component.section(&instances);
        Some(self.count(Space::Instance))
    }

    fn canon(&mut self, canon: &CanonicalFunction) -> Option<()> {
        let mut section = CanonicalFunctionSection::new();
        match canon {
            CanonicalFunction::Lift {
                core_func_index,
                type_index,
                options,
            } => {
                let function = self.number((Space::Func, *core_func_index))?;
                section.lift(function, *type_index, self.options(options)?);
            }
            CanonicalFunction::Lower {
                func_index,
                options,
            } => {
                section.lower(*func_index, self.options(options)?);
            }
            CanonicalFunction::ResourceNew { resource } => {
                section.resource_new(*resource);
            }
            CanonicalFunction::ResourceDrop { resource } => {
                section.resource_drop(*resource);
            }
            CanonicalFunction::ResourceRep { resource } => {
                section.resource_rep(*resource);
            }
            _ => return None,
        }
        self.component.section(&section);
        Some(())
    }

    fn options(&self, options: &[wasmparser::CanonicalOption]) -> Option<Vec<CanonicalOption>> {
        let options = options.iter().map(|option| {
            Some(match CanonicalOption::from(*option) {
                CanonicalOption::Memory(it) => {
                    CanonicalOption::Memory(self.number((Space::Memory, it))?)
                }
                CanonicalOption::Realloc(it) => {
                    CanonicalOption::Realloc(self.number((Space::Func, it))?)
                }
                CanonicalOption::PostReturn(it) => {
                    CanonicalOption::PostReturn(self.number((Space::Func, it))?)
                }
                CanonicalOption::Callback(it) => {
                    CanonicalOption::Callback(self.number((Space::Func, it))?)
                }
                other => other,
            })
        });
        options.collect()
    }

    fn raw(&mut self, id: u8, data: &[u8]) {
        self.component.section(&RawSection { id, data });
    }

    fn number(&self, number: Number) -> Option<u32> {
        self.numbers.get(&number).copied()
    }

    fn count(&mut self, space: Space) -> u32 {
        let count = self.counts.entry(space).or_default();
        *count += 1;
        *count - 1
    }
}

/// An alias of what is no core item; `None` for those that are not kept here.
fn component_alias<'a>(alias: &ComponentAlias<'a>) -> Option<Alias<'a>> {
    Some(match *alias {
        ComponentAlias::InstanceExport {
            kind,
            instance_index: instance,
            name,
        } => Alias::InstanceExport {
            instance,
            kind: kind.into(),
            name,
        },
        ComponentAlias::Outer { kind, count, index } => Alias::Outer {
            kind: kind.into(),
            count,
            index,
        },
        ComponentAlias::CoreInstanceExport { .. } => return None,
    })
}
