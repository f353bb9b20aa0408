//! Where a file can be changed, and into what.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprUnary, ImplItemFn, Item, ItemConst, ItemFn,
    ItemImpl, ItemMod, ItemStatic, ItemTrait, Pat, ReturnType, Signature, TraitItemFn, Type, UnOp,
};

use crate::files::is_for_tests;
use crate::values;

/// A place of a file with its changes.
pub struct Site {
    /// What is changed, in bytes; empty where something is put in between.
    pub range: Range<usize>,
    /// How.
    pub form: Form,
    /// The function it is in.
    pub function: String,
    /// Its line, from 1.
    pub line: usize,
}

/// How a place is changed.
pub enum Form {
    /// A function returns one of these values at once.
    Return(Vec<Change>),
    /// An expression becomes another one.
    Expression(Vec<Change>),
    /// A guard holds always, or never, or its arm is not there.
    Guard {
        /// `true` and `false`; the changes' texts are not used.
        constant: [Change; 2],
        /// Where another arm takes what this one leaves.
        arm: Option<Change>,
    },
    /// An arm without a guard is not there.
    Arm(Change),
}

/// One change.
pub struct Change {
    /// What it does, for people.
    pub what: String,
    /// The text in place of the old one.
    pub text: String,
}

impl Change {
    fn new(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            text: text.into(),
        }
    }
}

/// All places of a file, in the order of their beginnings.
pub fn sites(source: &str, file: &syn::File) -> Vec<Site> {
    let mut finder = Finder {
        source,
        scope: Vec::new(),
        in_function: false,
        sites: Vec::new(),
    };
    finder.visit_file(file);
    let mut sites = finder.sites;
    sites.sort_by_key(|site| (site.range.start, usize::MAX - site.range.end));
    sites
}

struct Finder<'s> {
    source: &'s str,
    /// Names of the implementation and the functions around.
    scope: Vec<String>,
    in_function: bool,
    sites: Vec<Site>,
}

impl Finder<'_> {
    fn text(&self, span: Span) -> &str {
        self.source.get(span.byte_range()).unwrap_or_default()
    }

    fn add(&mut self, range: Range<usize>, span: Span, form: Form) {
        self.sites.push(Site {
            range,
            form,
            function: self.scope.join("::"),
            line: span.start().line,
        });
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        if signature.constness.is_some() || signature.unsafety.is_some() {
            return;
        }
        self.scope.push(signature.ident.to_string());
        if !block.stmts.is_empty() {
            self.body(&signature.output, block);
        }
        let outer = std::mem::replace(&mut self.in_function, true);
        self.visit_block(block);
        self.in_function = outer;
        self.scope.pop();
    }

    fn body(&mut self, output: &ReturnType, block: &Block) {
        let braces = block.brace_token.span.join().byte_range();
        let inside = self.source.get(braces.start + 1..braces.end - 1);
        let plain = |text: &str| text.split_whitespace().collect::<String>();
        let own = plain(inside.unwrap_or_default());
        let values: Vec<Change> = values::of(output)
            .into_iter()
            .filter(|value| plain(value) != own)
            .map(|value| Change::new(format!("return {value}"), value))
            .collect();
        if !values.is_empty() {
            let at = braces.start + 1;
            self.add(at..at, block.brace_token.span.open(), Form::Return(values));
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Trait(item) => &item.attrs,
            _ => return,
        };
        if !is_for_tests(attributes) {
            // What is inside an item of a function is a function of its own.
            let outer = std::mem::replace(&mut self.in_function, false);
            visit::visit_item(self, item);
            self.in_function = outer;
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.scope.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.scope.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block);
    }

    fn visit_item_impl(&mut self, implementation: &'ast ItemImpl) {
        let of = implementation
            .trait_
            .as_ref()
            .and_then(|(_, path, _)| path.segments.last())
            .map(|last| last.ident.to_string());
        // A default in place of a default is the same; what developers see of a value is nobody's contract.
        if matches!(of.as_deref(), Some("Default" | "Debug")) {
            return;
        }
        let own = match &*implementation.self_ty {
            Type::Path(path) => path
                .path
                .segments
                .last()
                .map_or_else(String::new, |last| last.ident.to_string()),
            other => self.text(other.span()).to_owned(),
        };
        let name = match of {
            Some(of) => format!("<{own} as {of}>"),
            None => own,
        };
        self.scope.push(name);
        for item in &implementation.items {
            self.visit_impl_item(item);
        }
        self.scope.pop();
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            self.function(&function.sig, &function.block);
        }
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.scope.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.scope.pop();
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
    }

    // Constant contexts: nothing can be switched there.
    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_angle_bracketed_generic_arguments(
        &mut self,
        _: &'ast syn::AngleBracketedGenericArguments,
    ) {
    }
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        if self.in_function && !has_let(binary) {
            let others = others(&binary.op);
            if !others.is_empty() {
                let old = self.text(binary.op.span()).to_owned();
                let (left, right) = (
                    self.text(binary.left.span()).to_owned(),
                    self.text(binary.right.span()).to_owned(),
                );
                let changes = others
                    .iter()
                    .map(|new| {
                        Change::new(
                            format!("replace {old} with {new}"),
                            format!("({left}) {new} ({right})"),
                        )
                    })
                    .collect();
                let span = binary.span();
                self.add(
                    span.byte_range(),
                    binary.op.span(),
                    Form::Expression(changes),
                );
            }
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        let sign = match unary.op {
            UnOp::Not(_) => "!",
            UnOp::Neg(_) => "-",
            _ => "",
        };
        if self.in_function && !sign.is_empty() {
            let text = self.text(unary.expr.span()).to_owned();
            let change = Change::new(format!("delete {sign}"), text);
            let span = unary.span();
            self.add(span.byte_range(), span, Form::Expression(vec![change]));
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        if self.in_function {
            let rest = expression.arms.iter().rposition(takes_all);
            for (index, arm) in expression.arms.iter().enumerate() {
                self.arm(arm, rest.is_some_and(|rest| index < rest));
            }
        }
        visit::visit_expr_match(self, expression);
    }
}

impl Finder<'_> {
    fn arm(&mut self, arm: &Arm, has_rest: bool) {
        let pattern = self.text(arm.pat.span());
        let pattern = pattern.split_whitespace().collect::<Vec<_>>().join(" ");
        let left_out = has_rest.then(|| Change::new(format!("delete match arm {pattern}"), ""));
        let span = arm.pat.span();
        match &arm.guard {
            Some((_, guard)) => {
                if matches!(&**guard, Expr::Let(_))
                    || matches!(&**guard, Expr::Binary(binary) if has_let(binary))
                {
                    return;
                }
                let constant = [true, false].map(|constant| {
                    Change::new(
                        format!("replace guard of match arm {pattern} with {constant}"),
                        "",
                    )
                });
                let form = Form::Guard {
                    constant,
                    arm: left_out,
                };
                self.add(guard.span().byte_range(), span, form);
            }
            None => {
                if let Some(change) = left_out {
                    let at = span.byte_range().end;
                    self.add(at..at, span, Form::Arm(change));
                }
            }
        }
    }
}

/// Whether an arm takes whatever the arms before it left.
fn takes_all(arm: &Arm) -> bool {
    arm.guard.is_none()
        && match &arm.pat {
            Pat::Wild(_) => true,
            Pat::Ident(name) => {
                name.subpat.is_none()
                    && name
                        .ident
                        .to_string()
                        .starts_with(|first: char| first.is_lowercase() || first == '_')
            }
            _ => false,
        }
}

/// Whether the operands of a chain bind names, which must stay in their condition.
fn has_let(binary: &ExprBinary) -> bool {
    let binds = |operand: &Expr| match operand {
        Expr::Let(_) => true,
        Expr::Binary(inner) => has_let(inner),
        _ => false,
    };
    matches!(binary.op, BinOp::And(_)) && (binds(&binary.left) || binds(&binary.right))
}

fn others(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::Lt(_) => &["==", ">", "<="],
        BinOp::Gt(_) => &["==", "<", ">="],
        BinOp::Le(_) => &[">"],
        BinOp::Ge(_) => &["<"],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["%", "*"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["|", "&"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["%=", "*="],
        BinOp::BitAndAssign(_) => &["|="],
        BinOp::BitOrAssign(_) => &["&="],
        _ => &[],
    }
}
