//! What goes into memory comes out of it as it was.

use proptest::prelude::*;
use rmpv::Value;
use serde_json::json;

use super::failure::failure;
use super::glue::IMAGE;
use super::lift::{Lift, Unliftable};
use super::shape::{Integer, Shape};
use super::{Function, Place};

const MOST: usize = 1 << 20;

fn function(parameters: Vec<Shape>, result: Option<Shape>) -> Function {
    let parameters = parameters.into_iter().enumerate();
    Function {
        task: "t".into(),
        place: Place {
            interface: None,
            function: "t".into(),
        },
        parameters: parameters.map(|(n, it)| (format!("p{n}"), it)).collect(),
        result,
    }
}

/// A function of one parameter, after so many others that all of them lie in memory.
fn in_memory(shape: Shape) -> Function {
    let mut parameters = vec![shape];
    parameters.resize(18, Shape::Option(Box::new(Shape::Bool)));
    function(parameters, None)
}

fn packed(value: &Value) -> Vec<u8> {
    let arguments = Value::Map(vec![("p0".into(), value.clone())]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &arguments).unwrap();
    bytes
}

/// A value through memory and back.
fn through(shape: &Shape, value: &Value) -> Result<Value, String> {
    let image = in_memory(shape.clone()).lower(&packed(value), MOST)?;
    let lift = Lift::new(&image.bytes, IMAGE, MOST);
    let bytes = lift.value(shape).map_err(|e| format!("{e:?}"))?;
    let mut rest = &bytes[..];
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    Ok(value)
}

fn refused(shape: &Shape, value: &serde_json::Value) -> String {
    let value = rmpv::ext::to_value(value).unwrap();
    through(shape, &value).unwrap_err()
}

/// As JSON, in which bytes are some text.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Binary(_) => json!(""),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let named = entries
                .iter()
                .map(|(name, it)| (name.as_str().unwrap().to_owned(), json(it)));
            serde_json::Value::Object(named.collect())
        }
        other => serde_json::to_value(other).unwrap(),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

/// Any type, with any value of it.
fn typed() -> impl Strategy<Value = (Shape, Value)> {
    let integers = [
        Integer::U8,
        Integer::S8,
        Integer::U16,
        Integer::S16,
        Integer::U32,
        Integer::S32,
        Integer::U64,
        Integer::S64,
    ];
    let integer =
        (proptest::sample::select(integers.to_vec()), any::<i128>()).prop_map(|(it, bits)| {
            let [least, most] = it.range();
            let number = least + bits.rem_euclid(most - least + 1);
            let value = u64::try_from(number).map_or_else(|_| (number as i64).into(), Value::from);
            (Shape::Integer(it), value)
        });
    let number = any::<f64>().prop_filter("it has a name", |it| it.is_finite());
    let half = any::<f32>().prop_filter("it has a name", |it| it.is_finite());
    let leaf = prop_oneof![
        any::<bool>().prop_map(|it| (Shape::Bool, it.into())),
        integer,
        number.prop_map(|it| (Shape::F64, it.into())),
        half.prop_map(|it| (Shape::F32, f64::from(it).into())),
        any::<char>().prop_map(|it| (Shape::Char, it.to_string().into())),
        ".*".prop_map(|it: String| (Shape::Text, it.into())),
        any::<Vec<u8>>().prop_map(|it| (Shape::Bytes, Value::Binary(it))),
        (1..300_usize, any::<prop::sample::Index>()).prop_map(|(count, at)| {
            let name = names(count)[at.index(count)].clone();
            (Shape::Enum(names(count)), name.into())
        }),
        (1..33_usize, any::<u32>()).prop_map(|(count, bits)| {
            let set = names(count).into_iter().enumerate();
            let set = set.filter(|(n, _)| bits >> n & 1 == 1);
            let set = set.map(|(_, name)| Value::from(name)).collect();
            (Shape::Flags(names(count)), Value::Array(set))
        }),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let object = |some: Vec<(Shape, Value)>| {
            let (shapes, values): (Vec<_>, Vec<_>) = some.into_iter().unzip();
            let names = names(shapes.len());
            let values = names.iter().cloned().map(Value::from).zip(values).collect();
            (
                Shape::Record(names.into_iter().zip(shapes).collect()),
                Value::Map(values),
            )
        };
        let one = |name: &str, value| Value::Map(vec![(name.into(), value)]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..5).prop_map(object),
            prop::collection::vec(inner.clone(), 1..5).prop_map(|some| {
                let (shapes, values) = some.into_iter().unzip();
                (Shape::Tuple(shapes), Value::Array(values))
            }),
            (inner.clone(), 0..4_usize).prop_filter_map("bytes", |((shape, value), count)| {
                let is_bytes = shape == Shape::Integer(Integer::U8);
                let list = Shape::List(Box::new(shape));
                (!is_bytes).then(|| (list, Value::Array(vec![value; count])))
            }),
            (inner.clone(), any::<bool>()).prop_map(move |((shape, value), is_some)| {
                let value = match (is_some, &shape) {
                    (false, _) => Value::Nil,
                    (true, Shape::Option(_)) => one("some", value),
                    (true, _) => value,
                };
                (Shape::Option(Box::new(shape)), value)
            }),
            (
                prop::collection::vec(inner.clone(), 1..4),
                any::<prop::sample::Index>()
            )
                .prop_map(move |(some, at)| {
                    let mut cases: Vec<_> =
                        some.iter().map(|(shape, _)| Some(shape.clone())).collect();
                    cases.push(None);
                    let at = at.index(cases.len());
                    let names = names(cases.len());
                    let value = match some.get(at) {
                        Some((_, value)) => one(&names[at], value.clone()),
                        None => names[at].clone().into(),
                    };
                    (
                        Shape::Variant(names.into_iter().zip(cases).collect()),
                        value,
                    )
                }),
            (inner, any::<bool>()).prop_map(move |((shape, value), is_ok)| {
                let value = if is_ok {
                    one("ok", value)
                } else {
                    one("err", Value::Nil)
                };
                (Shape::Result(Some(Box::new(shape)), None), value)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_of_any_type_comes_back((shape, value) in typed()) {
        prop_assert_eq!(through(&shape, &value), Ok(value));
    }

    /// What is passed one by one takes as many slots as its type says.
    #[test]
    fn any_value_fits_its_slots((shape, value) in typed()) {
        let count = shape.flat().len();
        let function = function(vec![shape], None);
        let image = function.lower(&packed(&value), MOST).unwrap();
        if count <= super::shape::FLAT_PARAMETERS {
            prop_assert!(image.bytes.len() >= 8 * count);
        }
    }

    #[test]
    fn no_bytes_break_it(bytes: Vec<u8>, (shape, _) in typed()) {
        let function = in_memory(shape.clone());
        if let Ok(image) = function.lower(&bytes, MOST) {
            prop_assert!(image.bytes.len() <= MOST);
        }
        let _ = Lift::new(&bytes, 64, MOST).value(&shape);
    }

    /// What a schema lets in can be run, and what comes back fits it.
    #[test]
    fn schemas_speak_of_the_same_values((shape, value) in typed()) {
        let function = function(vec![shape.clone()], Some(shape));
        let input = Value::Map(vec![("p0".into(), value.clone())]);
        let fits = |schema: &serde_json::Value, value| {
            jsonschema::validator_for(schema).unwrap().is_valid(&json(value))
        };
        prop_assert!(fits(&function.input_schema(), &input));
        if !matches!(function.result, Some(Shape::Result(..))) {
            prop_assert!(fits(&function.output_schema(), &value));
        }
    }
}

#[test]
fn numbers_that_json_has_none_for_go_by_their_names() {
    for name in ["NaN", "Infinity", "-Infinity"] {
        for shape in [Shape::F32, Shape::F64] {
            assert_eq!(through(&shape, &name.into()), Ok(name.into()));
        }
    }
    let nan = Value::F64(f64::NAN);
    assert_eq!(through(&Shape::F64, &nan), Ok("NaN".into()));
    assert_eq!(through(&Shape::F64, &3.into()), Ok(Value::F64(3.0)));
}

#[test]
fn a_number_stays_the_number_that_it_is() {
    let byte = Shape::Integer(Integer::U8);
    assert_eq!(through(&byte, &Value::F64(255.0)), Ok(255.into()));
    assert_eq!(
        refused(&byte, &json!(256.0)),
        "256 is not 0 to 255 (at `/p0`)"
    );
    let text = refused(&byte, &json!(1.5));
    assert_eq!(text, "it must be an integer, and is a number (at `/p0`)");
    let most = Value::F64(f32::MAX.into());
    assert_eq!(through(&Shape::F32, &most), Ok(most));
    let text = refused(&Shape::F32, &json!(1e39));
    assert!(
        text.ends_with("000 is too large for 32 bits (at `/p0`)"),
        "{text}"
    );
    let schema = function(vec![Shape::F32], None).input_schema();
    let fits = |number: f64| {
        let input = json!({"p0": number});
        jsonschema::validator_for(&schema).unwrap().is_valid(&input)
    };
    assert!(fits(f32::MAX.into()) && !fits(1e39));
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let byte = Shape::Integer(Integer::U8);
    let item = Shape::Record(vec![("small".into(), byte.clone())]);
    let list = Shape::List(Box::new(item));
    let text = refused(&list, &json!([{"small": 1}, {"small": 256}]));
    assert_eq!(text, "256 is not 0 to 255 (at `/p0/1/small`)");
    let text = refused(&list, &json!([{}]));
    assert_eq!(text, "`small` is missing (at `/p0/0`)");
    let text = refused(&list, &json!([{"large": 1}]));
    assert_eq!(text, "there is no `large`, but `small` (at `/p0/0`)");
    let text = refused(&Shape::Char, &json!("ab"));
    assert_eq!(text, "it must be one character (at `/p0`)");
    let text = refused(&byte, &json!("1"));
    assert_eq!(text, "it must be an integer, and is a text (at `/p0`)");
    let text = refused(&Shape::Enum(names(2)), &json!("n2"));
    assert_eq!(text, "it must be one of `n0`, `n1` (at `/p0`)");
    let pair = Shape::Tuple(vec![byte.clone(), byte.clone()]);
    let text = refused(&pair, &json!([1]));
    assert_eq!(text, "it must have 2 items, and has 1 (at `/p0`)");
    let nested = Shape::Option(Box::new(Shape::Option(Box::new(byte))));
    let text = refused(&nested, &json!(1));
    assert_eq!(text, "it must be null, or an object with `some` (at `/p0`)");
    let text = refused(&nested, &json!({"some": 256}));
    assert_eq!(text, "256 is not 0 to 255 (at `/p0/some`)");
}

#[test]
fn arguments_take_no_more_memory_than_they_may() {
    // A byte of the input for each, and kilobytes of memory.
    let wide = Shape::Tuple(vec![Shape::F64; 1000]);
    let list = Shape::List(Box::new(Shape::Option(Box::new(wide))));
    let nothing = Value::Array(vec![Value::Nil; 10_000]);
    let text = through(&list, &nothing).unwrap_err();
    assert!(text.contains("more than 1048576 bytes of memory"), "{text}");
    let claimed = [&[0x81, 0xa2, b'p', b'0', 0xdd, 0xff, 0xff, 0xff, 0xff][..]].concat();
    let text = in_memory(list).lower(&claimed, MOST).unwrap_err();
    assert!(text.contains("more than 1048576 bytes of memory"), "{text}");
}

#[test]
fn types_and_values_make_no_more_work_than_they_may() {
    let deep = (0..60).fold(Shape::Bool, |it, _| Shape::Option(Box::new(it)));
    assert_eq!(through(&deep, &Value::Nil), Ok(Value::Nil));
    let list = Shape::List(Box::new(Shape::Enum(names(5_000))));
    let last = Value::Array(vec!["n4999".into(); 50_000]);
    let text = through(&list, &last).unwrap_err();
    assert_eq!(text, "its arguments are too many, of too large types");
    let some = Value::Array(vec!["n4999".into(); 10_000]);
    assert_eq!(through(&list, &some), Ok(some));
}

#[test]
fn of_an_error_of_many_values_its_size_is_told() {
    let flags = Shape::List(Box::new(Shape::Bool));
    let shape = Shape::Variant(vec![("gone".into(), Some(flags))]);
    let error = |count| {
        let held = Value::Array(vec![true.into(); count]);
        let mut bytes = Vec::new();
        let error = Value::Map(vec![("gone".into(), held)]);
        rmpv::encode::write_value(&mut bytes, &error).unwrap();
        let failure = failure(Some(&shape), &bytes);
        (failure.kind, failure.message)
    };
    assert_eq!(error(2), ("gone".into(), "[true, true]".into()));
    let size = 1 + 5 + 3 + 10_000;
    assert_eq!(
        error(10_000),
        ("gone".into(), format!("{size} bytes of values"))
    );
    let long = "n".repeat(1 << 20);
    let text = [&[0xdb][..], &(1_u32 << 20).to_be_bytes(), long.as_bytes()].concat();
    assert_eq!(failure(Some(&Shape::Text), &text).message, long);
}

#[test]
fn results_are_no_longer_than_they_may_be() {
    let name = "n".repeat(100);
    let shape = Shape::List(Box::new(Shape::Record(vec![(name, Shape::Bool)])));
    let memory = [&64_u32.to_le_bytes()[..], &200_u32.to_le_bytes(), &[0; 200]].concat();
    let lift = Lift::new(&memory, 56, 1000);
    assert!(matches!(
        lift.value(&shape),
        Err(Unliftable::TooLarge(1000..1200))
    ));
    // What lies elsewhere is nowhere.
    let lift = Lift::new(&memory, 100, 1000);
    assert_eq!(lift.value(&shape), Err(Unliftable::Broken));
}
