//! Wrong readings of `spec/expressions.md`, for targets that are broken on purpose.

/// Declares the enum, its names and its list from one table, so that none can be forgotten.
macro_rules! flaws {
    ($($(#[doc = $doc:expr])+ $variant:ident = $name:literal,)+) => {
        /// One wrong reading of the prose. The doc line of each says what goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Flaw {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Flaw {
            /// All of them.
            pub const ALL: &'static [Flaw] = &[$(Flaw::$variant,)+];

            /// Kebab-case name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Flaw::$variant => $name,)+
                }
            }
        }
    };
}

flaws! {
    /// Both sides of a comparison may be comparisons again, as in Python.
    ChainedComparison = "chained-comparison",
    /// A call parses and is undefined.
    CallsParse = "calls-parse",
    /// A name that is no root parses and is undefined.
    UnknownNameIsUndefined = "unknown-name-is-undefined",
    /// An array may end in a comma.
    TrailingCommaParses = "trailing-comma-parses",
    /// An escape that nobody knows stands for the character after the backslash.
    UnknownEscapeParses = "unknown-escape-parses",
    /// An integer literal that does not fit 64 bits becomes a double.
    LargeLiteralIsDouble = "large-literal-is-double",
    /// A filter applies to the whole expression before it.
    FilterBindsLoosest = "filter-binds-loosest",
    /// `not` takes only what stands next to it.
    NotBindsTightest = "not-binds-tightest",
    /// `and` and `or` are of one level, from left to right.
    AndOrOneLevel = "and-or-one-level",
    /// `*`, `/`, `%` are of one level with `+` and `-`, from left to right.
    SumAndProductOneLevel = "sum-and-product-one-level",
    /// `1 - 2 - 3` is `1 - (2 - 3)`.
    SumsFromTheRight = "sums-from-the-right",

    /// `.length` of what has no such member is undefined.
    LengthUndefined = "length-undefined",
    /// `.length` counts even where an object has a member of that name.
    OwnLengthIgnored = "own-length-ignored",
    /// Strings are as long as their UTF-8 has bytes.
    LengthCountsBytes = "length-counts-bytes",
    /// A negative index is outside every array.
    NegativeIndexUndefined = "negative-index-undefined",
    /// An index outside its array is an error.
    IndexOutsideIsError = "index-outside-is-error",
    /// A member of what is undefined is an error.
    MemberOfUndefinedIsError = "member-of-undefined-is-error",
    /// Strings have elements.
    StringIndexing = "string-indexing",

    /// `{}` counts as true.
    EmptyObjectIsTrue = "empty-object-is-true",
    /// `[]` counts as true.
    EmptyArrayIsTrue = "empty-array-is-true",
    /// The numbers 0 and 0.0 count as true.
    ZeroIsTrue = "zero-is-true",
    /// The string `"false"` counts as false.
    TextFalseIsFalse = "text-false-is-false",
    /// `and` and `or` give true or false.
    AndGivesBoolean = "and-gives-boolean",
    /// The right operand of `and` and `or` is always evaluated.
    RightOperandEvaluated = "right-operand-evaluated",

    /// True equals 1 and false 0.
    TrueEqualsOne = "true-equals-one",
    /// Undefined equals null.
    UndefinedEqualsNull = "undefined-equals-null",
    /// A string equals the number that it spells.
    TextEqualsNumber = "text-equals-number",
    /// The integer 1 does not equal the double 1.0.
    FormsDiffer = "forms-differ",
    /// Objects are equal only with their members in one order.
    DeepEqualityByOrder = "deep-equality-by-order",
    /// Arrays are equal in any order.
    ArraysEqualUnordered = "arrays-equal-unordered",

    /// An ordering with undefined is false.
    MissingOrdersAsFalse = "missing-orders-as-false",
    /// An ordering of different kinds is false.
    KindsOrderAsFalse = "kinds-order-as-false",
    /// Strings are ordered by UTF-16 code units.
    OrderingByUtf16 = "ordering-by-utf16",
    /// Strings are ordered without regard to case.
    OrderingFoldsCase = "ordering-folds-case",
    /// `in` never finds the name of a member.
    InIgnoresKeys = "in-ignores-keys",
    /// `in` finds whole strings only.
    InIgnoresSubstrings = "in-ignores-substrings",
    /// Nothing is in what is undefined, without an error.
    MissingContainsNothing = "missing-contains-nothing",

    /// Undefined counts as 0 in arithmetic.
    MissingIsZero = "missing-is-zero",
    /// Integers are added, subtracted and multiplied modulo 2^64.
    IntegerOverflowWraps = "integer-overflow-wraps",
    /// An integer result that does not fit becomes a double.
    IntegerOverflowIsDouble = "integer-overflow-is-double",
    /// All arithmetic and all comparison is that of doubles.
    IntegersAsDoubles = "integers-as-doubles",
    /// Two integers divide to an integer.
    DivisionGivesInteger = "division-gives-integer",
    /// What is divided by zero is undefined.
    DivisionByZeroIsUndefined = "division-by-zero-is-undefined",
    /// The remainder has the sign of the dividend.
    RemainderDividendSign = "remainder-dividend-sign",
    /// `+` joins a string with anything.
    PlusJoinsAnything = "plus-joins-anything",

    /// `default` replaces null.
    DefaultReplacesNull = "default-replaces-null",
    /// `default` replaces everything that counts as false.
    DefaultReplacesFalse = "default-replaces-false",
    /// The filter `length` of undefined is 0.
    MissingHasLengthZero = "missing-has-length-zero",
    /// `lower` and `upper` change ASCII letters only.
    CaseOfAsciiOnly = "case-of-ascii-only",
    /// `trim` takes ASCII white space only.
    TrimOfAsciiOnly = "trim-of-ascii-only",
    /// `join` quotes strings.
    JoinQuotesStrings = "join-quotes-strings",
    /// Members are printed in the order of the object.
    JsonKeepsOrder = "json-keeps-order",
    /// JSON is printed with a space after each comma and colon.
    JsonHasSpaces = "json-has-spaces",
    /// The double 1.0 is printed with its point.
    JsonKeepsPoint = "json-keeps-point",
    /// Text beyond ASCII is escaped where JSON is printed.
    JsonIsAscii = "json-is-ascii",

    /// What fails to evaluate is false.
    ErrorIsFalse = "error-is-false",
    /// Steps are not counted.
    NoStepLimit = "no-step-limit",
    /// An expression may have any number of bytes.
    NoTextLimit = "no-text-limit",
    /// 128 levels instead of 64.
    NestingLimitDoubled = "nesting-limit-doubled",
    /// Text may grow beyond 1 MiB.
    NoGrowthLimit = "no-growth-limit",

    /// A template always gives text.
    TemplateGivesText = "template-gives-text",
    /// Text that was inserted is read for templates again.
    TemplateRescans = "template-rescans",
    /// The first `}}` ends a template, wherever it stands.
    BracesEndInString = "braces-end-in-string",
    /// An undefined template becomes the empty string, and null where it stands alone.
    UndefinedTemplateIsEmpty = "undefined-template-is-empty",
    /// A `{{` without its end is text.
    UnclosedTemplateIsText = "unclosed-template-is-text",
    /// `{{-` and `-}}` take away the white space beside them.
    MinusControlsSpace = "minus-controls-space",
    /// An empty template is nothing.
    EmptyTemplateParses = "empty-template-parses",
    /// Values in longer text have the spelling of Python.
    PythonSpellings = "python-spellings",
    /// White space around a template that stands alone does not count as text.
    SpaceAroundIsNoText = "space-around-is-no-text",
}
