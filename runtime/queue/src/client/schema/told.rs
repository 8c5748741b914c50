//! What is told of arguments that do not fit. Of a value that fits none of several schemas
//! a validator says just that: here it is the one that was meant that tells, or what any of
//! them would take.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::{cut, formats};
use crate::client::known::Misfit;

/// Forms that are told of those that a value could have.
const FORMS: usize = 20;

/// An error, with its place.
pub(in crate::client) fn misfit(error: &ValidationError<'_>) -> Misfit {
    match branches(error) {
        Some(branches) => of_union(error, branches),
        None => Misfit {
            pointer: cut(place(error).to_owned()),
            problem: cut(match error.kind() {
                Kind::Format { format } => formats::problem(error.instance(), format),
                _ => error.to_string(),
            }),
        },
    }
}

type Branch = [ValidationError<'static>];

fn branches<'a>(error: &'a ValidationError<'_>) -> Option<&'a [Vec<ValidationError<'static>>]> {
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => Some(context),
        _ => None,
    }
}

fn place<'a>(error: &'a ValidationError<'_>) -> &'a str {
    error.instance_path().as_str()
}

fn depth(error: &ValidationError<'_>) -> usize {
    place(error).matches('/').count()
}

/// How deep the deepest errors of a branch lie, those of unions within it included.
fn reach(branch: &Branch) -> usize {
    let within = |it| {
        let deeper = branches(it).into_iter().flatten();
        deeper.map(|it| reach(it)).max().unwrap_or(0)
    };
    let all = branch.iter().map(|it| depth(it).max(within(it)));
    all.max().unwrap_or(0)
}

fn of_union(error: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) -> Misfit {
    let own = depth(error);
    // A member that says which form it is, and says another one.
    let tag = |branch: &&Vec<ValidationError<'static>>| {
        let is_tag = |it: &&ValidationError<'_>| depth(it) > own && is_choice(it);
        branch.iter().position(|it| is_tag(&it))
    };
    let (others, forms): (Vec<_>, Vec<_>) = branches.iter().partition(|it| tag(it).is_some());
    if forms.is_empty() {
        let tags = others.iter().filter_map(|it| tag(it).map(|at| &it[at]));
        let tags: Vec<_> = tags.collect();
        let first = tags.first().copied().unwrap_or(error);
        let same = tags.iter().filter(|it| place(it) == place(first));
        return expected(first, same.flat_map(|it| taken(it)));
    }
    // The one that fitted furthest; among those that did not begin to, one of the right type.
    let rank = |branch: &Branch| {
        let is_of_type = !branch.iter().any(|it| depth(it) == own && is_kind(it));
        (reach(branch), is_of_type)
    };
    let best = forms.iter().map(|it| rank(it)).max().unwrap_or_default();
    let mut meant = forms.iter().filter(|it| rank(it) == best);
    match (meant.next(), meant.next()) {
        (Some(branch), None) if best.0 > own || best.1 => deepest(branch),
        (Some(branch), Some(_)) if best.0 > own => deepest(branch),
        _ => expected(error, forms.iter().flat_map(|it| it.iter()).flat_map(taken)),
    }
}

fn deepest(branch: &Branch) -> Misfit {
    // The first of those that lie equally deep.
    let all = branch.iter().rev();
    let it = all.max_by_key(|it| reach(std::slice::from_ref(it)));
    misfit(it.expect("what does not fit has an error"))
}

/// Whether the value is not one of those that are named.
fn is_choice(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), Kind::Constant { .. } | Kind::Enum { .. })
}

fn is_kind(error: &ValidationError<'_>) -> bool {
    is_choice(error) || matches!(error.kind(), Kind::Type { .. })
}

/// What would have been taken in place of the value.
fn taken(error: &ValidationError<'static>) -> Vec<String> {
    match error.kind() {
        Kind::Constant { expected_value } => vec![expected_value.to_string()],
        Kind::Enum { options } => match options {
            Value::Array(options) => options.iter().map(Value::to_string).collect(),
            other => vec![other.to_string()],
        },
        Kind::Type { kind } => match kind {
            TypeKind::Single(of) => vec![of.to_string()],
            TypeKind::Multiple(of) => of.iter().map(|it| it.to_string()).collect(),
        },
        Kind::Required { property } => vec![format!("{{{property}: …}}")],
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            context.iter().flatten().flat_map(taken).collect()
        }
        _ => Vec::new(),
    }
}

fn expected(error: &ValidationError<'_>, forms: impl Iterator<Item = String>) -> Misfit {
    let mut known = Vec::new();
    for form in forms {
        if !known.contains(&form) && known.len() < FORMS {
            known.push(form);
        }
    }
    let problem = match known.is_empty() {
        true => error.to_string(),
        false => format!("it is {}, and not {}", known.join(" or "), error.instance()),
    };
    Misfit {
        pointer: cut(place(error).to_owned()),
        problem: cut(problem),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn told(schema: &Value, value: &Value) -> (String, String) {
        let check = super::super::compile(schema).unwrap();
        let error = check.iter_errors(value).next().unwrap();
        let misfit = super::misfit(&error);
        (misfit.pointer, misfit.problem)
    }

    #[track_caller]
    fn tells(schema: &Value, value: Value, pointer: &str, problem: &str) {
        let said = told(schema, &value);
        assert_eq!((&*said.0, &*said.1), (pointer, problem), "{value}");
    }

    fn variant(name: &str, of: &Value) -> Value {
        json!({"type": "object", "properties": {name: of}, "required": [name], "additionalProperties": false})
    }

    #[test]
    fn a_variant_that_is_meant_tells_where_it_does_not_fit() {
        let side = json!({"type": "number"});
        let point = json!({"type": "object", "properties": {"x": side}, "required": ["x"]});
        let shape = json!({"oneOf": [
            {"const": "none"}, variant("circle", &side), variant("poly", &json!({"type": "array", "items": point})),
        ]});
        let schema = json!({"type": "object", "properties": {"s": shape}});
        let poly = json!({"s": {"poly": [{"x": 1}, {"x": "q"}]}});
        tells(
            &schema,
            poly,
            "/s/poly/1/x",
            r#""q" is not of type "number""#,
        );
        let any = r#"it is "none" or object, and not "circle""#;
        tells(&schema, json!({"s": "circle"}), "/s", any);
        let none = r#"it is "none" or {"circle": …} or {"poly": …}, and not {"square":1}"#;
        tells(&schema, json!({"s": {"square": 1}}), "/s", none);
    }

    #[test]
    fn a_tag_says_which_form_is_meant() {
        let form = |kind: &str, member: &str| {
            json!({"type": "object", "properties": {"kind": {"const": kind}, member: {"type": "number"}},
                "required": ["kind", member]})
        };
        let schema = json!({"anyOf": [form("circle", "r"), form("square", "side")]});
        tells(
            &schema,
            json!({"kind": "circle", "side": 3}),
            "",
            r#""r" is a required property"#,
        );
        tells(
            &schema,
            json!({"kind": "square", "side": "a"}),
            "/side",
            r#""a" is not of type "number""#,
        );
        let other = r#"it is "circle" or "square", and not "hexagon""#;
        tells(&schema, json!({"kind": "hexagon"}), "/kind", other);
    }

    #[test]
    fn what_may_be_null_tells_as_if_it_might_not() {
        let size = json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]});
        tells(&size, json!(-1), "", "-1 is less than the minimum of 0");
        tells(
            &size,
            json!("a"),
            "",
            r#"it is integer or null, and not "a""#,
        );
        let color = json!({"anyOf": [{"enum": ["red", "blue"]}, {"type": "null"}]});
        tells(
            &color,
            json!("green"),
            "",
            r#"it is "red" or "blue" or null, and not "green""#,
        );
        let of = json!({"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}],
            "$defs": {"a": {"anyOf": [size, {"type": "array", "items": color}]}}});
        tells(
            &of,
            json!(["red", "green"]),
            "/1",
            r#"it is "red" or "blue" or null, and not "green""#,
        );
    }
}
