//! JSON Schemas as types.
//!
//! A schema that says more than a type can say becomes the nearest type that takes all
//! that it takes: what is refused at a call is for the server to find. Two readings are
//! people's, and not the specification's: what names properties or items means objects or
//! lists, and a property is a slip that no part of it names which the value fits.

mod look;
mod merge;

use std::collections::{BTreeMap, HashMap, HashSet};

use blake3::Hash;
use serde_json::{Map, Value, json};

use self::look::{is_only_record, is_record, is_wide, literal, says_type, text};
use self::merge::{Mentioned, without};
use super::Task;
use super::model::{Arguments, Definition, Field, Model, Shape, Side, Signature, Type};
use super::names::pascal;

/// How deep schemas are followed. A push takes none that lies deeper.
const DEPTH: usize = 200;
/// Schemas that are read for an input or an output: parts that stand in several others are
/// read with each. What is past it may be anything.
const READ: usize = 10_000;

/// The types of all tasks of a module.
pub(super) fn model(tasks: &[Task]) -> Model {
    let mut model = Model::default();
    for (task, it) in tasks.iter().enumerate() {
        let mut input = Reader::new(&it.input, task, Side::In, &mut model);
        let arguments = input.arguments();
        let mut output = Reader::new(&it.output, task, Side::Out, &mut model);
        let result = output.read(&it.output, &Path::root());
        if let Type::Named(index) = result {
            model.definitions[index].whole = true;
        }
        model.signatures.push(Signature { arguments, result });
    }
    model
}

/// How a schema is reached, for the name of what it defines.
#[derive(Clone)]
struct Path {
    names: Vec<String>,
    defined: bool,
    depth: usize,
}

impl Path {
    fn root() -> Self {
        let names = Vec::new();
        Path {
            names,
            defined: false,
            depth: 0,
        }
    }

    /// A part that has a name of its own.
    fn to(&self, name: &str) -> Self {
        let mut path = self.down();
        path.names.push(name.to_owned());
        path
    }

    /// A part that has none.
    fn down(&self) -> Self {
        let depth = self.depth + 1;
        Path {
            depth,
            ..self.clone()
        }
    }
}

/// Reads one schema with all that it refers to.
struct Reader<'a> {
    root: &'a Value,
    task: usize,
    side: Side,
    model: &'a mut Model,
    /// The definitions of what was referred to, also of those that are being read.
    refs: HashMap<String, usize>,
    /// What is known of the text of each target of a reference: many definitions lead to it.
    targets: HashMap<String, (Hash, Vec<&'a str>)>,
    /// How many schemas were read.
    read: usize,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Value, task: usize, side: Side, model: &'a mut Model) -> Self {
        Reader {
            root,
            task,
            side,
            model,
            refs: HashMap::new(),
            targets: HashMap::new(),
            read: 0,
        }
    }

    /// The root of a task's input: an object, whose properties go by themselves.
    fn arguments(&mut self) -> Arguments {
        let root = merge::resolved(self.root, self.root);
        let doc = text(&root, "description");
        let path = Path::root();
        let shape = match root.as_object().filter(|it| is_record(it)) {
            Some(object) => self.record(object, &path),
            // A task that takes nothing may say no more than that.
            None if root["type"] == "object" && root["additionalProperties"] == false => {
                Shape::Record {
                    fields: Vec::new(),
                    open: false,
                }
            }
            None => Shape::Alias(self.read(&root, &path)),
        };
        Arguments { doc, shape }
    }

    fn read(&mut self, schema: &Value, path: &Path) -> Type {
        self.read += 1;
        let schema = match schema {
            Value::Bool(false) => return Type::Never,
            Value::Object(_) if path.depth > DEPTH || self.read > READ => return Type::Any,
            Value::Object(it) => it,
            _ => return Type::Any,
        };
        let of = self.read_object(schema, path);
        let of = match schema.get("not") {
            Some(not) => look::without(of, not),
            None => of,
        };
        // As OpenAPI says it.
        match schema.get("nullable") {
            Some(Value::Bool(true)) => Type::union([of, Type::Null]),
            _ => of,
        }
    }

    fn read_object(&mut self, schema: &Map<String, Value>, path: &Path) -> Type {
        if let Some(Value::String(to)) = schema.get("$ref") {
            let beside = without(schema, "$ref");
            return match says_type(&beside) {
                true => self.all_of(&Map::new(), &[json!({"$ref": to}), beside.into()], path),
                false => self.reference(to, path),
            };
        }
        if let Some(value) = schema.get("const") {
            return literal(value);
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return Type::union(values.iter().map(literal));
        }
        if let Some(Value::Array(all)) = schema.get("allOf") {
            return self.all_of(schema, all, path);
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(Value::Array(some)) = schema.get(keyword) {
                return self.one_of(schema, keyword, some, path);
            }
        }
        self.by_type(schema, path)
    }

    fn by_type(&mut self, schema: &Map<String, Value>, path: &Path) -> Type {
        let has = |some: &[&str]| some.iter().any(|it| schema.contains_key(*it));
        match schema.get("type") {
            Some(Value::Array(types)) => {
                let each = types.iter().filter_map(Value::as_str);
                let each: Vec<_> = each.map(|it| self.typed(it, schema, path)).collect();
                Type::union(each)
            }
            Some(Value::String(it)) => self.typed(it, schema, path),
            _ if is_record(schema) || has(&["additionalProperties", "patternProperties"]) => {
                self.typed("object", schema, path)
            }
            _ if has(&["items", "prefixItems"]) => self.typed("array", schema, path),
            _ if has(&["contentEncoding"]) => self.typed("string", schema, path),
            _ => Type::Any,
        }
    }

    fn typed(&mut self, of: &str, schema: &Map<String, Value>, path: &Path) -> Type {
        match of {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "integer" => Type::Int {
                wide: is_wide(schema),
            },
            "number" => Type::Float,
            "string"
                if schema
                    .get("contentEncoding")
                    .is_some_and(|it| it == "base64") =>
            {
                Type::Bytes
            }
            "string" => Type::Text,
            "array" => self.array(schema, path),
            "object" if is_record(schema) => self.named(schema, path),
            "object" => self.map(schema, path),
            _ => Type::Any,
        }
    }

    /// An object of any names: its values are of what is said of some names, or of others.
    fn map(&mut self, schema: &Map<String, Value>, path: &Path) -> Type {
        let none = Map::new();
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let all = patterns.unwrap_or(&none).values();
        let all = all.chain([others.unwrap_or(&Value::Bool(true))]);
        let each: Vec<_> = all.map(|it| self.read(it, &path.to("value"))).collect();
        Type::Map(Box::new(Type::union(each)))
    }

    fn array(&mut self, schema: &Map<String, Value>, path: &Path) -> Type {
        let item = path.to("item");
        let first = schema.get("prefixItems").and_then(Value::as_array);
        let Some(first) = first.filter(|it| !it.is_empty()) else {
            let items = schema.get("items").unwrap_or(&Value::Null);
            return Type::List(Box::new(self.read(items, &item)));
        };
        let items: Vec<_> = first.iter().map(|it| self.read(it, &item)).collect();
        let count = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let ends = count("maxItems").is_some_and(|most| most <= items.len() as u64);
        let least = count("minItems").map_or(0, |it| it.min(items.len() as u64) as usize);
        let rest = match schema.get("items") {
            Some(Value::Bool(false)) => None,
            _ if ends => None,
            Some(items) => Some(Box::new(self.read(items, &item))),
            None => Some(Box::new(Type::Any)),
        };
        Type::Tuple { items, least, rest }
    }

    /// What a reference leads to, which has a name from now on.
    fn reference(&mut self, to: &str, path: &Path) -> Type {
        if let Some(known) = self.refs.get(to) {
            return Type::Named(*known);
        }
        let Some(target) = merge::target(self.root, to) else {
            return Type::Any;
        };
        // A reference to what is none of its own adds nothing but a name.
        let last = to
            .rsplit('/')
            .next()
            .filter(|it| !it.is_empty() && *it != "#");
        let inner = Path {
            names: vec![last.unwrap_or("Root").to_owned()],
            defined: true,
            depth: path.depth + 1,
        };
        let index = self.define(target, &inner);
        self.refs.insert(to.to_owned(), index);
        let shape = match target.as_object().filter(|it| is_only_record(it)) {
            Some(object) => self.record(object, &inner),
            None => Shape::Alias(self.read(target, &inner)),
        };
        self.model.definitions[index].shape = shape;
        if self.is_nothing_else(index) {
            self.model.definitions[index].shape = Shape::Alias(Type::Any);
        }
        Type::Named(index)
    }

    /// Whether a definition leads back to itself with nothing in between: then it says
    /// nothing at all.
    fn is_nothing_else(&self, start: usize) -> bool {
        let (mut seen, mut left) = (HashSet::new(), vec![start]);
        while let Some(at) = left.pop() {
            let Shape::Alias(of) = &self.model.definitions[at].shape else {
                continue;
            };
            for member in of.members() {
                match member {
                    Type::Named(next) if *next == start => return true,
                    Type::Named(next) if seen.insert(*next) => left.push(*next),
                    _ => {}
                }
            }
        }
        false
    }

    /// A record that stands where it is used.
    fn named(&mut self, schema: &Map<String, Value>, path: &Path) -> Type {
        let index = self.define(&Value::Object(schema.clone()), path);
        self.model.definitions[index].shape = self.record(schema, path);
        Type::Named(index)
    }

    /// A name whose shape is yet to come: it may be needed for itself.
    fn define(&mut self, schema: &Value, path: &Path) -> usize {
        let title = text(schema, "title");
        let key = self.key(schema);
        self.model.definitions.push(Definition {
            task: self.task,
            side: self.side,
            path: path.names.clone(),
            defined: path.defined,
            whole: false,
            title: Some(pascal(&title)).filter(|it| !it.is_empty()),
            doc: text(schema, "description"),
            shape: Shape::Alias(Type::Any),
            key,
        });
        self.model.definitions.len() - 1
    }

    fn record(&mut self, schema: &Map<String, Value>, path: &Path) -> Shape {
        let mentioned = Mentioned::of(self.root, schema);
        let open = mentioned.open;
        let fields = mentioned.properties.iter().map(|(name, mention)| {
            let of = mention.schema(open);
            Field {
                name: (*name).to_owned(),
                doc: text(&of, "description"),
                of: self.read(&of, &path.to(name)),
                required: mention.required,
                default: of.get("default").cloned(),
            }
        });
        let fields = fields.collect();
        Shape::Record { fields, open }
    }

    fn all_of(&mut self, schema: &Map<String, Value>, all: &[Value], path: &Path) -> Type {
        let rest = without(schema, "allOf");
        if let ([one], false) = (all, says_type(&rest)) {
            return self.read(one, &path.down());
        }
        let rest = Value::Object(rest);
        let parts = || std::iter::once(&rest).chain(all);
        if let Some(merged) = merge::objects(self.root, parts()) {
            return self.read(&merged, &path.down());
        }
        let naming = parts().filter(|it| merge::has_properties(self.root, it));
        if naming.count() > 1 {
            let whole = json!({"allOf": parts().collect::<Vec<_>>()});
            return self.mixed(&whole, path);
        }
        // Of what all hold at once, the first that says anything.
        let mut each = parts().map(|it| self.read(it, &path.down()));
        each.find(|it| *it != Type::Any).unwrap_or(Type::Any)
    }

    /// What has parts that name properties, and do not merge: objects that may have all of
    /// them.
    fn mixed(&mut self, schema: &Value, path: &Path) -> Type {
        let is_object = merge::is_object(self.root, schema, 0);
        match schema.as_object().filter(|_| is_object) {
            Some(object) => self.named(object, &path.down()),
            None => Type::Any,
        }
    }

    fn one_of(
        &mut self,
        schema: &Map<String, Value>,
        keyword: &str,
        some: &[Value],
        path: &Path,
    ) -> Type {
        let base = Value::Object(without(schema, keyword));
        let has_base = merge::has_properties(self.root, &base);
        let mut each = Vec::new();
        for variant in some {
            let path = path.to(merge::variant(variant).unwrap_or_default());
            let both = [&base, variant].into_iter();
            let whole = has_base.then(|| merge::objects(self.root, both)).flatten();
            if whole.is_none() && has_base && merge::has_properties(self.root, variant) {
                return self.mixed(&Value::Object(schema.clone()), &path);
            }
            each.push(self.read(whole.as_ref().unwrap_or(variant), &path));
        }
        match Type::union(each) {
            Type::Any if some.iter().any(|it| merge::has_properties(self.root, it)) => {
                self.mixed(&Value::Object(schema.clone()), path)
            }
            // Variants that only say which properties there must be.
            Type::Any if base.as_object().is_some_and(says_type) => self.read(&base, &path.down()),
            of => of,
        }
    }

    /// A schema's text, with those of all that it refers to.
    fn key(&mut self, schema: &Value) -> Hash {
        let mut refs = Vec::new();
        refer(schema, &mut refs);
        let mut left: Vec<String> = refs.into_iter().map(str::to_owned).collect();
        let mut found = BTreeMap::new();
        while let Some(to) = left.pop() {
            if found.contains_key(&to) {
                continue;
            }
            if let Some((text, refs)) = self.target(&to) {
                left.extend(refs.iter().map(|it| (*it).to_owned()));
                found.insert(to, *text);
            }
        }
        let whole = (schema.to_string(), found);
        blake3::hash(format!("{whole:?}").as_bytes())
    }

    /// The text that a reference leads to, and what that refers to in turn.
    fn target(&mut self, to: &str) -> Option<&(Hash, Vec<&'a str>)> {
        if !self.targets.contains_key(to) {
            let target = merge::target(self.root, to)?;
            let mut refs = Vec::new();
            refer(target, &mut refs);
            let text = blake3::hash(target.to_string().as_bytes());
            self.targets.insert(to.to_owned(), (text, refs));
        }
        self.targets.get(to)
    }
}

/// Finds all references in a schema.
fn refer<'s>(schema: &'s Value, refs: &mut Vec<&'s str>) {
    match schema {
        Value::Object(map) => {
            refs.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|it| refer(it, refs));
        }
        Value::Array(items) => items.iter().for_each(|it| refer(it, refs)),
        _ => {}
    }
}
