//! Types as all languages have them.

use serde_json::Value;

/// A value's type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Any,
    /// No value at all.
    Never,
    Null,
    Bool,
    /// `wide`: it may lie beyond what a double holds exactly.
    Int {
        wide: bool,
    },
    Float,
    Text,
    Bytes,
    /// One text, integer or boolean.
    Literal(Value),
    List(Box<Type>),
    /// Values each of a type of its own, of which so many are there at least, and what may
    /// follow them.
    Tuple {
        items: Vec<Type>,
        least: usize,
        rest: Option<Box<Type>>,
    },
    Map(Box<Type>),
    /// One of the model's definitions.
    Named(usize),
    Union(Vec<Type>),
}

impl Type {
    /// One of several: without repeats, and with null last, where a person looks for it.
    pub(super) fn union(members: impl IntoIterator<Item = Type>) -> Type {
        let mut flat: Vec<Type> = Vec::new();
        let mut add = |it: Type| {
            if !flat.contains(&it) && it != Type::Never {
                flat.push(it);
            }
        };
        for member in members {
            match member {
                Type::Union(inner) => inner.into_iter().for_each(&mut add),
                other => add(other),
            }
        }
        if flat.contains(&Type::Any) {
            return Type::Any;
        }
        if let Some(at) = flat.iter().position(|it| *it == Type::Null) {
            let null = flat.remove(at);
            flat.push(null);
        }
        match flat.len() {
            0 => Type::Never,
            1 => flat.remove(0),
            _ => Type::Union(flat),
        }
    }

    /// What it may be, one by one.
    pub(super) fn members(&self) -> &[Type] {
        match self {
            Type::Union(members) => members,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether it is a tuple that always has as many items.
    pub(super) fn is_fixed(&self) -> bool {
        match self {
            Type::Tuple { items, least, rest } => rest.is_none() && *least == items.len(),
            _ => false,
        }
    }

    /// Calls `f` with it, and with each type in it.
    pub(super) fn each(&self, f: &mut impl FnMut(&Type)) {
        f(self);
        match self {
            Type::List(item) | Type::Map(item) => item.each(f),
            Type::Tuple { items, rest, .. } => {
                items.iter().for_each(|it| it.each(f));
                rest.iter().for_each(|it| it.each(f));
            }
            Type::Union(members) => members.iter().for_each(|it| it.each(f)),
            _ => {}
        }
    }

    /// Calls `f` with each definition that it names.
    pub(super) fn names(&self, f: &mut impl FnMut(usize)) {
        self.each(&mut |it| it.named(f));
    }

    fn named(&self, f: &mut impl FnMut(usize)) {
        if let Type::Named(index) = self {
            f(*index);
        }
    }
}

/// A property of a record, or an argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) of: Type,
    pub(super) required: bool,
    /// What it is where it is left out, as far as that is told.
    pub(super) default: Option<Value>,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// An object with properties; `open` where it says that it takes others too.
    Record {
        fields: Vec<Field>,
        open: bool,
    },
    Alias(Type),
}

impl Shape {
    /// Whether it takes what it does not name.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Shape::Record { open: true, .. })
    }

    /// Calls `f` with each type in it.
    pub(super) fn each(&self, f: &mut impl FnMut(&Type)) {
        match self {
            Shape::Record { fields, .. } => fields.iter().for_each(|it| it.of.each(f)),
            Shape::Alias(of) => of.each(f),
        }
    }

    /// Calls `f` with each definition that it names.
    pub(super) fn names(&self, f: &mut impl FnMut(usize)) {
        self.each(&mut |it| it.named(f));
    }
}

/// Whether a value goes to a task or comes from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    In,
    Out,
}

/// A type that has a name.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    /// The task that it was met in.
    pub(super) task: usize,
    pub(super) side: Side,
    /// How it is reached there: names of definitions and of properties.
    pub(super) path: Vec<String>,
    /// Whether the path begins with a definition of the schema's own.
    pub(super) defined: bool,
    /// Whether it is all of a task's result.
    pub(super) whole: bool,
    /// The name that the schema gives it.
    pub(super) title: Option<String>,
    pub(super) doc: String,
    pub(super) shape: Shape,
    /// The schema with all that it refers to: what has the same is the same type.
    pub(super) key: blake3::Hash,
}

/// A task's arguments.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    pub(super) doc: String,
    pub(super) shape: Shape,
}

/// The types of a task.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub(super) arguments: Arguments,
    pub(super) result: Type,
}

/// The types of a module.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) definitions: Vec<Definition>,
    /// One a task, in their order.
    pub(super) signatures: Vec<Signature>,
}
