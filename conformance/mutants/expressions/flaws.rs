//! Which requirement each wrong reading of the naive evaluator breaks.

use crate::naive::Flaw;

/// Each flaw with the requirement it breaks and what such a runtime does.
pub const READINGS: &[(Flaw, &str, &str)] = &[
    (
        Flaw::TrailingCommaParses,
        "EXP-001",
        "lets an array end in a comma",
    ),
    (
        Flaw::CallsParse,
        "EXP-003",
        "takes a call for something undefined",
    ),
    (
        Flaw::ChainedComparison,
        "EXP-004",
        "chains comparisons as Python does",
    ),
    (
        Flaw::FilterBindsLoosest,
        "EXP-005",
        "applies a filter to everything before it",
    ),
    (
        Flaw::NotBindsTightest,
        "EXP-005",
        "negates only what stands directly behind `not`",
    ),
    (
        Flaw::AndOrOneLevel,
        "EXP-005",
        "reads `and` and `or` from left to right, without precedence",
    ),
    (
        Flaw::SumAndProductOneLevel,
        "EXP-005",
        "calculates from left to right, without precedence",
    ),
    (
        Flaw::SumsFromTheRight,
        "EXP-005",
        "subtracts from the right",
    ),
    (
        Flaw::UnknownEscapeParses,
        "EXP-006",
        "drops the backslash of an escape that it does not know",
    ),
    (
        Flaw::LargeLiteralIsDouble,
        "EXP-006",
        "reads an integer outside 64 bits as a double",
    ),
    (
        Flaw::UnknownNameIsUndefined,
        "EXP-007",
        "takes a name that is no root for something undefined",
    ),
    (
        Flaw::MemberOfUndefinedIsError,
        "EXP-009",
        "fails at a member of what is undefined",
    ),
    (
        Flaw::StringIndexing,
        "EXP-009",
        "gives the characters of a text by index",
    ),
    (
        Flaw::LengthUndefined,
        "EXP-010",
        "knows `length` only as an own member",
    ),
    (
        Flaw::OwnLengthIgnored,
        "EXP-010",
        "counts the members of an object that has a member `length`",
    ),
    (
        Flaw::LengthCountsBytes,
        "EXP-010",
        "measures texts in bytes",
    ),
    (
        Flaw::NegativeIndexUndefined,
        "EXP-011",
        "finds nothing at negative indices",
    ),
    (
        Flaw::IndexOutsideIsError,
        "EXP-011",
        "fails at an index outside the array",
    ),
    (
        Flaw::EmptyObjectIsTrue,
        "EXP-012",
        "counts the empty object as true",
    ),
    (
        Flaw::EmptyArrayIsTrue,
        "EXP-012",
        "counts the empty array as true",
    ),
    (Flaw::ZeroIsTrue, "EXP-012", "counts zero as true"),
    (
        Flaw::TextFalseIsFalse,
        "EXP-012",
        "counts the text \"false\" as false",
    ),
    (
        Flaw::AndGivesBoolean,
        "EXP-013",
        "makes true or false of `and` and `or`",
    ),
    (
        Flaw::RightOperandEvaluated,
        "EXP-013",
        "always evaluates the right operand of `and` and `or`",
    ),
    (
        Flaw::UndefinedEqualsNull,
        "EXP-014",
        "takes undefined for null",
    ),
    (
        Flaw::MissingOrdersAsFalse,
        "EXP-015",
        "orders what is undefined as false",
    ),
    (
        Flaw::MissingIsZero,
        "EXP-015",
        "calculates with 0 for what is undefined",
    ),
    (
        Flaw::MissingContainsNothing,
        "EXP-015",
        "looks into what is undefined and finds nothing",
    ),
    (
        Flaw::TrueEqualsOne,
        "EXP-016",
        "holds true for 1 and false for 0",
    ),
    (
        Flaw::FormsDiffer,
        "EXP-016",
        "tells 1 from 1.0 when it compares",
    ),
    (
        Flaw::IntegersAsDoubles,
        "EXP-017",
        "calculates and compares with doubles only",
    ),
    (
        Flaw::IntegerOverflowWraps,
        "EXP-018",
        "lets integers wrap around",
    ),
    (
        Flaw::IntegerOverflowIsDouble,
        "EXP-018",
        "goes on with a double when an integer does not fit",
    ),
    (
        Flaw::DivisionGivesInteger,
        "EXP-019",
        "divides integers to integers",
    ),
    (
        Flaw::DivisionByZeroIsUndefined,
        "EXP-019",
        "gives undefined for what is divided by zero",
    ),
    (
        Flaw::RemainderDividendSign,
        "EXP-020",
        "gives the remainder the sign of the dividend",
    ),
    (
        Flaw::KindsOrderAsFalse,
        "EXP-021",
        "orders different kinds as false",
    ),
    (
        Flaw::OrderingByUtf16,
        "EXP-021",
        "orders texts by UTF-16 code units",
    ),
    (
        Flaw::OrderingFoldsCase,
        "EXP-021",
        "orders texts without regard to case",
    ),
    (
        Flaw::InIgnoresKeys,
        "EXP-022",
        "does not find the names of members",
    ),
    (
        Flaw::InIgnoresSubstrings,
        "EXP-022",
        "finds whole texts only",
    ),
    (
        Flaw::DeepEqualityByOrder,
        "EXP-023",
        "tells objects apart by the order of their members",
    ),
    (
        Flaw::ArraysEqualUnordered,
        "EXP-023",
        "holds arrays for equal in any order",
    ),
    (
        Flaw::MissingHasLengthZero,
        "EXP-024",
        "counts 0 for the filter `length` of what is undefined",
    ),
    (
        Flaw::CaseOfAsciiOnly,
        "EXP-024",
        "changes the case of ASCII letters only",
    ),
    (
        Flaw::TrimOfAsciiOnly,
        "EXP-024",
        "trims ASCII white space only",
    ),
    (
        Flaw::JoinQuotesStrings,
        "EXP-024",
        "puts quotes around the texts that it joins",
    ),
    (
        Flaw::JsonKeepsOrder,
        "EXP-024",
        "prints members in the order they came",
    ),
    (
        Flaw::JsonKeepsPoint,
        "EXP-024",
        "prints the double 1.0 with its point",
    ),
    (
        Flaw::JsonIsAscii,
        "EXP-024",
        "escapes text beyond ASCII where it prints JSON",
    ),
    (Flaw::DefaultReplacesNull, "EXP-026", "replaces null too"),
    (
        Flaw::DefaultReplacesFalse,
        "EXP-026",
        "replaces all that counts as false",
    ),
    (
        Flaw::NoTextLimit,
        "EXP-027",
        "reads expressions of any length",
    ),
    (Flaw::NestingLimitDoubled, "EXP-027", "reads 128 levels"),
    (Flaw::NoStepLimit, "EXP-028", "counts no steps"),
    (
        Flaw::ErrorIsFalse,
        "EXP-030",
        "takes what cannot be evaluated for false",
    ),
    (
        Flaw::TemplateGivesText,
        "EXP-033",
        "makes text of every template",
    ),
    (
        Flaw::SpaceAroundIsNoText,
        "EXP-033",
        "does not count white space around a template as text",
    ),
    (
        Flaw::JsonHasSpaces,
        "EXP-034",
        "inserts JSON with a space after each comma and colon",
    ),
    (
        Flaw::PythonSpellings,
        "EXP-034",
        "inserts null, true and false as Python spells them",
    ),
    (
        Flaw::UndefinedTemplateIsEmpty,
        "EXP-035",
        "inserts nothing for what is undefined",
    ),
    (
        Flaw::BracesEndInString,
        "EXP-036",
        "ends a template at the first closing braces",
    ),
    (
        Flaw::UnclosedTemplateIsText,
        "EXP-037",
        "takes a template without its end for text",
    ),
    (
        Flaw::TemplateRescans,
        "EXP-038",
        "looks for templates in what it inserted",
    ),
    (
        Flaw::MinusControlsSpace,
        "EXP-040",
        "lets a minus at the braces take the white space away",
    ),
    (
        Flaw::EmptyTemplateParses,
        "EXP-040",
        "inserts nothing for an empty template",
    ),
    (
        Flaw::TextEqualsNumber,
        "EXP-042",
        "holds a text for equal to the number that it spells",
    ),
    (
        Flaw::PlusJoinsAnything,
        "EXP-042",
        "joins texts with anything",
    ),
    (
        Flaw::NoGrowthLimit,
        "EXP-043",
        "lets texts and inputs grow beyond 1 MiB",
    ),
];
