//! Types, in the contract's own notation.

use wit_bindgen_core::wit_parser::{
    Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner,
};

/// How a type is written: HTML, because a link cannot stand in Markdown's code.
pub fn written(resolve: &Resolve, within: InterfaceId, ty: &Type) -> String {
    let of = |ty: &Type| written(resolve, within, ty);
    let id = match ty {
        Type::Id(id) => *id,
        plain => return primitive(plain).into(),
    };
    let definition = &resolve.types[id];
    if let Some(name) = &definition.name {
        return link(resolve, within, id, name);
    }
    match &definition.kind {
        TypeDefKind::Option(ty) => format!("option&lt;{}&gt;", of(ty)),
        TypeDefKind::List(ty) => format!("list&lt;{}&gt;", of(ty)),
        TypeDefKind::Handle(Handle::Own(id)) => of(&Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow&lt;{}&gt;", of(&Type::Id(*id))),
        TypeDefKind::Result(result) => {
            let part = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
            format!("result&lt;{}, {}&gt;", part(&result.ok), part(&result.err))
        }
        TypeDefKind::Tuple(tuple) => {
            let parts: Vec<_> = tuple.types.iter().map(of).collect();
            format!("tuple&lt;{}&gt;", parts.join(", "))
        }
        other => other.as_str().to_owned(),
    }
}

/// A name as a link to where the type is defined, past the `use` that brings it here.
fn link(resolve: &Resolve, within: InterfaceId, id: TypeId, name: &str) -> String {
    let mut origin = id;
    while let TypeDefKind::Type(Type::Id(next)) = resolve.types[origin].kind {
        origin = next;
    }
    let definition = &resolve.types[origin];
    let page = match definition.owner {
        TypeOwner::Interface(owner) if owner != within => resolve.interfaces[owner].name.clone(),
        _ => None,
    };
    let page = page.map_or_else(String::new, |page| format!("{page}.md"));
    let target = definition.name.as_deref().unwrap_or(name);
    format!("[{name}]({page}#{target})")
}

/// Whether a type only stands for one of another interface.
pub fn is_used(resolve: &Resolve, id: TypeId) -> bool {
    let definition = &resolve.types[id];
    match definition.kind {
        TypeDefKind::Type(Type::Id(other)) => resolve.types[other].owner != definition.owner,
        _ => false,
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "",
    }
}
