//! What holds for every text, tree and state.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Expression, Reason, Roots, state};
use crate::expression::Template;
use crate::expression::limits::{Meter, STEPS};
use crate::expression::parser;
use crate::expression::tree::{
    At, Chain, Comparator, Factor, Filter, Node, Part, Root, Term, Test, Tree,
};

fn node(tree: Tree) -> Node {
    Node {
        at: At::default(),
        tree,
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,3}",
        Just("length".to_owned()),
        Just("if".to_owned()),
        "[ -~é😀\u{7f}\n\t\u{1}'\"\\\\]{0,6}",
    ]
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-20_i64..20).prop_map(Value::from),
        prop_oneof![
            proptest::num::f64::NORMAL,
            proptest::num::f64::SUBNORMAL,
            Just(0.0),
            Just(-0.0),
            (-50_i32..50).prop_map(f64::from),
        ]
        .prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        text().prop_map(Part::Member),
        Just(Part::Length),
        prop_oneof![-3_i64..6, any::<i64>()].prop_map(Part::Index),
    ]
}

fn root() -> impl Strategy<Value = Root> {
    prop_oneof![
        Just(Root::State),
        Just(Root::Observation),
        Just(Root::Input)
    ]
}

fn comparator() -> impl Strategy<Value = Comparator> {
    proptest::sample::select(vec![
        Comparator::Equal,
        Comparator::NotEqual,
        Comparator::Less,
        Comparator::LessEqual,
        Comparator::Greater,
        Comparator::GreaterEqual,
        Comparator::In,
        Comparator::NotIn,
    ])
}

fn filter(inner: impl Strategy<Value = Node> + Clone + 'static) -> impl Strategy<Value = Filter> {
    prop_oneof![
        proptest::sample::select(vec![
            Filter::Length,
            Filter::First,
            Filter::Last,
            Filter::Lower,
            Filter::Upper,
            Filter::Trim,
            Filter::ToJson,
            Filter::Join(None),
        ]),
        inner
            .clone()
            .prop_map(|value| Filter::Default(Box::new(value))),
        inner.prop_map(|separator| Filter::Join(Some(Box::new(separator)))),
    ]
}

fn chain<Operator: Clone + std::fmt::Debug + 'static>(
    operand: impl Strategy<Value = Node> + Clone + 'static,
    operators: Vec<Operator>,
) -> impl Strategy<Value = Chain<Operator>> {
    let more = (proptest::sample::select(operators), operand.clone());
    (operand, proptest::collection::vec(more, 1..4)).prop_map(|(first, rest)| Chain {
        first: Box::new(first),
        rest: rest
            .into_iter()
            .map(|(operator, operand)| (At::default(), operator, operand))
            .collect(),
    })
}

/// Trees as the parser makes them: no path is the base of a path.
fn tree() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        literal().prop_map(|value| node(Tree::Literal(value))),
        root().prop_map(|root| node(Tree::Root(root))),
        (root(), proptest::collection::vec(part(), 1..4))
            .prop_map(|(root, parts)| node(Tree::Path(Box::new(node(Tree::Root(root))), parts))),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 2..4);
        let tests = vec![Test::Defined, Test::NotDefined, Test::None, Test::NotNone];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|elements| node(Tree::Array(elements))),
            (inner.clone(), proptest::collection::vec(part(), 1..3)).prop_map(|(base, parts)| {
                match base.tree {
                    Tree::Path(..) => base,
                    _ => node(Tree::Path(Box::new(base), parts)),
                }
            }),
            (
                inner.clone(),
                proptest::collection::vec(filter(inner.clone()), 1..3)
            )
                .prop_map(|(base, filters)| {
                    let filters = filters
                        .into_iter()
                        .map(|filter| (At::default(), filter))
                        .collect();
                    node(Tree::Filtered(Box::new(base), filters))
                }),
            inner
                .clone()
                .prop_map(|operand| node(Tree::Negative(Box::new(operand)))),
            inner
                .clone()
                .prop_map(|operand| node(Tree::Not(Box::new(operand)))),
            (inner.clone(), proptest::sample::select(tests))
                .prop_map(|(operand, test)| node(Tree::Test(Box::new(operand), test))),
            chain(
                inner.clone(),
                vec![Factor::Multiply, Factor::Divide, Factor::Remainder]
            )
            .prop_map(|chain| node(Tree::Product(chain))),
            chain(inner.clone(), vec![Term::Add, Term::Subtract])
                .prop_map(|chain| node(Tree::Sum(chain))),
            (inner.clone(), comparator(), inner.clone()).prop_map(|(left, comparator, right)| {
                node(Tree::Compare(Box::new(left), comparator, Box::new(right)))
            }),
            several().prop_map(|operands| node(Tree::And(operands))),
            several().prop_map(|operands| node(Tree::Or(operands))),
        ]
    })
}

/// Tokens in any order, most of them meant to follow each other.
fn soup() -> impl Strategy<Value = String> {
    let tokens = vec![
        "state",
        "input",
        "observation",
        ".a",
        ".length",
        "['b']",
        "[0]",
        "[-1]",
        "(",
        ")",
        "[",
        "]",
        ",",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "in",
        "not",
        "and",
        "or",
        "&&",
        "||",
        "!",
        "is",
        "defined",
        "none",
        "|",
        "length",
        "default(1)",
        "first",
        "join",
        "join(',')",
        "tojson",
        "upper",
        "1",
        "0",
        "2.5",
        "1e3",
        "'x'",
        "\"y\"",
        "true",
        "null",
        "9223372036854775807",
        "foo",
        "{{",
        "}}",
        "'",
        "\\",
        "é",
        "=",
        "\u{0}",
    ];
    proptest::collection::vec(
        (
            proptest::sample::select(tokens),
            proptest::sample::select(vec!["", " "]),
        ),
        0..24,
    )
    .prop_map(|tokens| {
        tokens
            .into_iter()
            .map(|(token, space)| format!("{token}{space}"))
            .collect()
    })
}

fn value() -> impl Strategy<Value = Value> {
    literal().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Everything that must hold of an expression that parses.
fn hold(text: &str, state: &Value) -> Result<(), TestCaseError> {
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => {
            prop_assert!(matches!(error.reason, Reason::Syntax | Reason::Limit));
            prop_assert!(error.offset <= text.len() && text.is_char_boundary(error.offset));
            prop_assert!(error.message.starts_with(|c: char| !c.is_uppercase()));
            return Ok(());
        }
    };
    let before = state.clone();
    let roots = Roots {
        state: Some(state),
        input: Some(state),
        ..Roots::default()
    };
    let mut meter = Meter::new();
    let first = expression.evaluate_within(&roots, &mut meter);
    prop_assert!(meter.steps_taken() <= STEPS);
    prop_assert_eq!(&first, &expression.evaluate(&roots), "{}", text);
    if let Err(error) = &first {
        prop_assert!(error.reason != Reason::Syntax && error.offset < text.len());
    }
    prop_assert_eq!(&before, state);
    // The canonical text means the same.
    let again = parser::parse_unbounded(&expression.to_string());
    prop_assert_eq!(again.as_ref().ok(), Some(&expression.0.root), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_text_is_refused_or_evaluated(text in "[ -~é\n\"']{0,40}", value in value()) {
        hold(&text, &value)?;
    }

    #[test]
    fn any_tokens_are_refused_or_evaluated(text in soup(), value in value()) {
        hold(&text, &value)?;
        let _ = Template::parse(&text);
        if let Ok(template) = Template::parse(&format!("{{{{ {text} }}}}")) {
            let _ = template.resolve(&Roots { state: Some(&value), ..Roots::default() });
        }
    }

    #[test]
    fn any_tree_is_read_from_its_text(tree in tree(), value in value()) {
        let text = tree.to_string();
        match parser::parse_unbounded(&text) {
            Ok(read) => prop_assert_eq!(read, tree, "{}", text),
            Err(error) => prop_assert_eq!(error.reason, Reason::Limit, "{}: {}", text, error),
        }
        hold(&text, &value)?;
        hold(&text, &state())?;
    }

    #[test]
    fn equality_is_that_of_the_values(left in value(), right in value()) {
        let state = json!({"l": left, "r": right, "copy": left});
        prop_assert_eq!(super::show_over("state.l == state.copy", &state), "true");
        let same = super::show_over("state.l == state.r", &state);
        prop_assert_eq!(&same, &super::show_over("state.r == state.l", &state));
        prop_assert_eq!(&same, &super::show_over("state.l in [state.r]", &state));
        prop_assert_eq!(&same, &super::show_over("not (state.l != state.r)", &state));
    }

    /// A double beyond 2^53 may read back as an integer beside it, since RFC 8785 writes it without a fraction; its text
    /// stays the same.
    #[test]
    fn compact_text_reads_back(value in value()) {
        let json = super::parse("state | tojson");
        let text = |value: &Value| {
            let outcome = super::over(&json, value).expect("evaluates");
            outcome.value.as_deref().and_then(Value::as_str).expect("a string").to_owned()
        };
        let written = text(&value);
        let back: Value = serde_json::from_str(&written).expect("json");
        prop_assert_eq!(text(&back), written);
    }
}
