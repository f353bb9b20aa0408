//! Plausible values in place of what a function returns, by its return type.

use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// Most values for one function.
const MOST: usize = 6;

/// Expressions that may stand in place of a function's body; some of them may not compile.
pub fn of(output: &ReturnType) -> Vec<String> {
    let mut values = match output {
        ReturnType::Default => vec!["()".to_owned()],
        ReturnType::Type(_, kind) => by_type(kind),
    };
    values.truncate(MOST);
    values
}

fn by_type(kind: &Type) -> Vec<String> {
    match kind {
        Type::Path(path) => path.path.segments.last().map_or_else(Vec::new, |segment| {
            let arguments = match &segment.arguments {
                PathArguments::AngleBracketed(arguments) => arguments
                    .args
                    .iter()
                    .filter_map(|argument| match argument {
                        GenericArgument::Type(kind) => Some(kind),
                        _ => None,
                    })
                    .collect(),
                _ => Vec::new(),
            };
            by_name(&segment.ident.to_string(), &arguments)
        }),
        Type::Reference(reference) => by_reference(&reference.elem),
        Type::Tuple(tuple) if tuple.elems.is_empty() => vec!["()".to_owned()],
        Type::Tuple(tuple) => {
            // Of each member its first value, then once more with its last.
            let members: Vec<Vec<String>> = tuple.elems.iter().map(by_type).collect();
            let pick = |choose: fn(&[String]) -> Option<&String>| {
                let chosen: Option<Vec<&str>> = members
                    .iter()
                    .map(|values| choose(values).map(String::as_str))
                    .collect();
                chosen.map(|chosen| format!("({},)", chosen.join(", ")))
            };
            let mut values: Vec<String> = [pick(<[String]>::first), pick(<[String]>::last)]
                .into_iter()
                .flatten()
                .collect();
            values.dedup();
            values
        }
        Type::Array(array) => match &array.len {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Int(length),
                ..
            }) => each(by_type(&array.elem), |value| format!("[{value}; {length}]")),
            _ => Vec::new(),
        },
        Type::Paren(inner) => by_type(&inner.elem),
        Type::Group(inner) => by_type(&inner.elem),
        // A second type behind one `impl` never compiles, and nothing returns from `!`.
        _ => Vec::new(),
    }
}

fn by_name(name: &str, arguments: &[&Type]) -> Vec<String> {
    let inner = |index: usize| {
        arguments
            .get(index)
            .map_or_else(Vec::new, |kind| by_type(kind))
    };
    match name {
        "bool" => texts(&["true", "false"]),
        "String" => texts(&["String::new()", "\"xyzzy\".to_owned()"]),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => texts(&["0", "1"]),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => texts(&["0", "1", "-1"]),
        "f32" | "f64" => texts(&["0.0", "1.0", "-1.0"]),
        "Option" => prepend("None", each(inner(0), |value| format!("Some({value})"))),
        "Result" if arguments.is_empty() => texts(&["Ok(())"]),
        "Result" => each(inner(0), |value| format!("Ok({value})")),
        "Vec" => prepend("vec![]", each(inner(0), |value| format!("vec![{value}]"))),
        "Box" | "Rc" | "Arc" => each(inner(0), |value| format!("{name}::new({value})")),
        "Cow" => match arguments.first() {
            Some(kind) => each(by_reference(kind), |value| {
                format!("std::borrow::Cow::Borrowed({value})")
            }),
            None => Vec::new(),
        },
        "HashSet" | "BTreeSet" => prepend(
            &format!("{name}::new()"),
            each(inner(0), |value| format!("{name}::from([{value}])")),
        ),
        "HashMap" | "BTreeMap" => {
            let pair = inner(0).first().cloned().zip(inner(1).first().cloned());
            let pair = pair.map(|(key, value)| format!("{name}::from([({key}, {value})])"));
            prepend(&format!("{name}::new()"), pair.into_iter().collect())
        }
        _ => texts(&["Default::default()"]),
    }
}

fn by_reference(kind: &Type) -> Vec<String> {
    match kind {
        Type::Path(path) if path.path.is_ident("str") => texts(&["\"\"", "\"xyzzy\""]),
        Type::Slice(slice) => prepend(
            "Vec::leak(Vec::new())",
            each(by_type(&slice.elem), |value| {
                format!("Vec::leak(vec![{value}])")
            }),
        ),
        kind => each(by_type(kind), |value| {
            format!("Box::leak(Box::new({value}))")
        }),
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn each(values: Vec<String>, wrap: impl Fn(&String) -> String) -> Vec<String> {
    values.iter().map(wrap).collect()
}

fn prepend(first: &str, rest: Vec<String>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(rest).collect()
}
