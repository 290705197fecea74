//! `CALDAV:comp` and `CALDAV:prop` inside `calendar-data` (RFC 4791 §9.6.1): the parts of an object that are wanted.

use crate::ics::tree::Item;
use crate::ics::{Component, Property};
use crate::xml::{Element, names};

/// Names one request may select. Clients send a dozen; every property is compared with each.
pub const NAMES_MAX: usize = 500;

/// A component that is wanted, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    name: String,
    props: Wanted<Prop>,
    comps: Wanted<Selection>,
}

/// All of something, or those named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted<T> {
    All,
    Only(Vec<T>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Prop {
    name: String,
    with_value: bool,
}

impl Selection {
    /// Reads a `CALDAV:comp`. One with nothing in it means all of the component, as RFC 4791's own example in §7.8.1
    /// has it with VTIMEZONE.
    ///
    /// # Errors
    /// A name is missing, or there are more than [`NAMES_MAX`]; the sentence says which.
    pub fn parse(comp: &Element) -> Result<Selection, &'static str> {
        let selection = read(comp, &mut NAMES_MAX.clone())?;
        if selection.name == "VCALENDAR" { Ok(selection) } else { Err("the outermost comp is not VCALENDAR") }
    }

    /// What is wanted of a component.
    #[must_use]
    pub fn of(&self, component: &Component) -> Component {
        let mut selected = Component::new(component.name());
        for item in component.items() {
            match item {
                Item::Property(property) => {
                    if let Some(property) = self.property(property) {
                        selected.push(property);
                    }
                }
                Item::Component(inner) => match &self.comps {
                    Wanted::All => selected.push_component(inner.clone()),
                    Wanted::Only(comps) => {
                        if let Some(comp) = comps.iter().find(|comp| inner.is(&comp.name)) {
                            selected.push_component(comp.of(inner));
                        }
                    }
                },
                Item::Other(_) => {}
            }
        }
        selected
    }

    fn property(&self, property: &Property) -> Option<Property> {
        match &self.props {
            Wanted::All => Some(property.clone()),
            Wanted::Only(props) => {
                let prop = props.iter().find(|prop| property.is(&prop.name))?;
                Some(if prop.with_value { property.clone() } else { property.with_value("") })
            }
        }
    }
}

/// Calls itself once per level, of which the XML reader lets through few.
fn read(comp: &Element, left: &mut usize) -> Result<Selection, &'static str> {
    let name = name_of(comp, left)?;
    let props: Vec<Prop> = comp
        .children()
        .filter(|child| child.is(&names::PROPERTY_CALDAV))
        .map(|prop| {
            let with_value = match prop.attribute("novalue") {
                Some("yes") => false,
                Some("no") | None => true,
                Some(_) => return Err("novalue is yes or no"),
            };
            Ok(Prop { name: name_of(prop, left)?, with_value })
        })
        .collect::<Result<_, _>>()?;
    let comps: Vec<Selection> =
        comp.children().filter(|child| child.is(&names::COMP)).map(|c| read(c, left)).collect::<Result<_, _>>()?;
    let everything = |all: &crate::xml::Name| comp.child(all).is_some();
    let all_props = everything(&names::ALL_PROPERTIES);
    let all_comps = everything(&names::ALLCOMP);
    let whole = props.is_empty() && comps.is_empty() && !all_props && !all_comps;
    Ok(Selection {
        name,
        props: if all_props || whole { Wanted::All } else { Wanted::Only(props) },
        comps: if all_comps || whole { Wanted::All } else { Wanted::Only(comps) },
    })
}

fn name_of(element: &Element, left: &mut usize) -> Result<String, &'static str> {
    *left = left.checked_sub(1).ok_or("more names are selected than anybody needs")?;
    match element.attribute("name").map(str::trim) {
        Some(name) if !name.is_empty() => Ok(name.to_ascii_uppercase()),
        Some(_) | None => Err("a comp or prop has no name"),
    }
}
