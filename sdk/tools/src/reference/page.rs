//! One page of the reference.

use std::fmt::Write;

use wit_bindgen_core::wit_parser::{
    Docs, Function, FunctionKind, InterfaceId, PackageId, Resolve, Type, TypeDefKind, TypeId,
    WorldItem, WorldKey,
};

use super::types::{is_used, written};

/// What stands at the head of each page.
const MADE: &str =
    "<!-- Made from wit/ by `cargo xtask reference`; change the comments there. -->\n";

/// The page of an interface: its functions, then its types.
pub fn interface(resolve: &Resolve, id: InterfaceId) -> String {
    let interface = &resolve.interfaces[id];
    let name = interface.name.as_deref().unwrap_or_default();
    let mut page = format!("{MADE}# `{name}`\n\n{}", paragraphs(&interface.docs));
    let free = interface
        .functions
        .values()
        .filter(|it| resource_of(it).is_none());
    let free: Vec<_> = free.collect();
    if !free.is_empty() {
        page.push_str("## Functions\n\n");
    }
    for it in free {
        function(&mut page, resolve, id, it);
    }
    let own: Vec<_> = interface
        .types
        .iter()
        .filter(|(_, ty)| !is_used(resolve, **ty))
        .collect();
    if !own.is_empty() {
        page.push_str("## Types\n\n");
    }
    for (name, ty) in own {
        definition(&mut page, resolve, id, name, *ty);
    }
    page
}

/// The first page: interfaces and worlds.
pub fn contents(resolve: &Resolve, package: PackageId) -> String {
    let package = &resolve.packages[package];
    let mut page = format!(
        "{MADE}# The contract `{}`\n\n{}",
        package.name,
        paragraphs(&package.docs)
    );
    page.push_str("| interface | what it is |\n|---|---|\n");
    for (name, id) in &package.interfaces {
        let docs = paragraphs(&resolve.interfaces[*id].docs);
        let first = docs.split("\n\n").next().unwrap_or_default();
        let _ = writeln!(page, "| [`{name}`]({name}.md) | {} |", cell(first));
    }
    page.push_str("\n| world | what it is | what it imports |\n|---|---|---|\n");
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        let imports: Vec<String> = world
            .imports
            .iter()
            .filter(|(_, item)| matches!(item, WorldItem::Interface { .. }))
            .filter_map(|(key, _)| match key {
                WorldKey::Interface(id) => resolve.interfaces[*id].name.clone(),
                WorldKey::Name(name) => Some(name.clone()),
            })
            .map(|name| format!("`{name}`"))
            .collect();
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} |",
            cell(&paragraphs(&world.docs)),
            imports.join(", ")
        );
    }
    page
}

fn function(page: &mut String, resolve: &Resolve, within: InterfaceId, function: &Function) {
    let name = function.item_name();
    let own = usize::from(resource_of(function).is_some());
    let parameters: Vec<_> = function
        .params
        .iter()
        .skip(own)
        .map(|it| format!("{}: {}", it.name, written(resolve, within, &it.ty)))
        .collect();
    let result = function
        .result
        .as_ref()
        .map(|ty| format!(" → {}", written(resolve, within, ty)));
    let result = result.unwrap_or_default();
    let _ = write!(
        page,
        "### <a id=\"{name}\"></a>{name}\n\n{name}({}){result}\n\n{}",
        parameters.join(", "),
        paragraphs(&function.docs)
    );
}

fn definition(page: &mut String, resolve: &Resolve, within: InterfaceId, name: &str, id: TypeId) {
    let definition = &resolve.types[id];
    let of = |ty: &Type| written(resolve, within, ty);
    let kind = match &definition.kind {
        TypeDefKind::Type(ty) => format!("= {}", of(ty)),
        kind => kind.as_str().to_owned(),
    };
    let _ = write!(
        page,
        "### <a id=\"{name}\"></a>{name} ({kind})\n\n{}",
        paragraphs(&definition.docs)
    );
    let mut rows: Vec<(&str, Option<String>, &Docs)> = Vec::new();
    match &definition.kind {
        TypeDefKind::Record(record) => {
            rows.extend(
                record
                    .fields
                    .iter()
                    .map(|it| (&*it.name, Some(of(&it.ty)), &it.docs)),
            );
        }
        TypeDefKind::Variant(variant) => {
            rows.extend(
                variant
                    .cases
                    .iter()
                    .map(|it| (&*it.name, it.ty.as_ref().map(of), &it.docs)),
            );
        }
        TypeDefKind::Enum(of) => rows.extend(of.cases.iter().map(|it| (&*it.name, None, &it.docs))),
        TypeDefKind::Flags(of) => {
            rows.extend(of.flags.iter().map(|it| (&*it.name, None, &it.docs)))
        }
        TypeDefKind::Resource => {
            let methods = resolve.interfaces[within].functions.values();
            for it in methods.filter(|it| resource_of(it) == Some(id)) {
                function(page, resolve, within, it);
            }
        }
        _ => {}
    }
    table(page, &rows);
}

/// Fields or cases, with what they mean.
fn table(page: &mut String, rows: &[(&str, Option<String>, &Docs)]) {
    if rows.is_empty() {
        return;
    }
    page.push_str("| | type | |\n|---|---|---|\n");
    for (name, ty, docs) in rows {
        let ty = ty.as_deref().unwrap_or_default();
        let _ = writeln!(page, "| `{name}` | {ty} | {} |", cell(&paragraphs(docs)));
    }
    page.push('\n');
}

fn resource_of(function: &Function) -> Option<TypeId> {
    match function.kind {
        FunctionKind::Method(id) | FunctionKind::Static(id) | FunctionKind::Constructor(id) => {
            Some(id)
        }
        _ => None,
    }
}

/// A comment, with an empty line after it.
fn paragraphs(docs: &Docs) -> String {
    docs.contents
        .as_deref()
        .map_or_else(String::new, |text| format!("{}\n\n", text.trim_end()))
}

/// A text in one line of a table.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
