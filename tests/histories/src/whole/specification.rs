//! The example configuration (`host/renkei/example`) as the engine has it: companies, people and
//! deals, with the same columns, winners and match keys. Its read and write sizes are smaller, so
//! that a handful of records fills several pages.

use renkei_model::plugin::{Account, Schema};
use renkei_model::record::Attributes;
use renkei_model::spec::days::{Days, time_zone};
use renkei_model::spec::{
    Clear, ColumnRules, CopiedColumn, DeleteGuard, Direction, EntitySpec, FieldIndex, FieldKind,
    FieldSpec, FirstLink, MappingGroup, MatchKey, MemberSpec, OnCascade, OnDelete, OnMerge,
    Orientation, Spec, TransformRef, TransformUse, Via, Winner,
};
use renkei_model::value::Value;
use renkei_test_support::example::{
    EMAIL_OPT_OUT, HUBSPOT, PERSON_COLUMNS, SALESFORCE, STAGES, Stage,
};
use renkei_test_support::spec::{self, direct, field};

/// Company name of a person without a company.
const NO_COMPANY: &str = "(未登録)";

/// Specification of companies, people and deals.
pub(crate) fn specification() -> Spec {
    // Its entities have no rings and no field twice.
    Spec::new(vec![company(), person(), deal()]).unwrap_or_else(|error| panic!("{error}"))
}

/// Takes over facts of the live systems, as the program does before a cycle.
pub(crate) fn learn(spec: &mut Spec, system: &str, account: &Account, schemas: &[Schema]) {
    let named = account.facts.iter().find(|(code, _)| code == "time-zone");
    let zone = named.and_then(|(_, value)| value.as_text()).and_then(time_zone);
    spec.set_days(system, zone.as_ref(), schemas);
    for schema in schemas {
        let fact = |wanted: &str| schema.facts.iter().find(|(code, _)| code == wanted);
        let stamp = fact("stamp").and_then(|(_, column)| column.as_text()).map(str::to_owned);
        spec.set_stamp(system, &schema.object, stamp.as_deref());
        let mergeable = fact("mergeable").is_some_and(|(_, flag)| *flag == Value::Boolean(true));
        for (_, member) in spec.members_mut() {
            if member.system == system && member.object == schema.object {
                member.mergeable = mergeable;
            }
        }
    }
}

fn newest(name: &str, kind: FieldKind) -> FieldSpec {
    field(name, kind, Winner::Newest)
}

fn unless_blank(name: &str, kind: FieldKind) -> FieldSpec {
    field(name, kind, Winner::UnlessBlank(SALESFORCE.to_owned()))
}

fn always(name: &str, system: &str) -> FieldSpec {
    field(name, FieldKind::Text, Winner::Always(system.to_owned()))
}

/// One column per field, in the order of the fields; none where the text is empty.
fn columns(names: &[&str]) -> Vec<MappingGroup> {
    let mapped = names.iter().enumerate().filter(|(_, name)| !name.is_empty());
    mapped.map(|(index, name)| direct(index, name, Direction::Both)).collect()
}

fn required(mut groups: Vec<MappingGroup>, column: &str) -> Vec<MappingGroup> {
    for group in groups.iter_mut().filter(|group| group.columns.iter().any(|one| one == column)) {
        group.required = true;
    }
    groups
}

fn member(system: &str, object: &str, create: bool, groups: Vec<MappingGroup>) -> MemberSpec {
    MemberSpec {
        create,
        stops_create: Vec::new(),
        mergeable: false,
        days: Days::unknown(),
        read_rows: 3,
        write_rows: 10,
        stamp: None,
        ..spec::member(system, object, groups)
    }
}

fn key(name: &str, fields: &[usize], function: &str, input: &[&str], unique: bool) -> MatchKey {
    let transform = function_of("matchkeys", function, input, &["key"]);
    MatchKey {
        name: name.to_owned(),
        fields: fields.iter().map(|index| FieldIndex(*index)).collect(),
        transform: Some(transform),
        unique,
    }
}

fn function_of(plugin: &str, function: &str, input: &[&str], output: &[&str]) -> TransformRef {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    TransformRef {
        plugin: plugin.to_owned(),
        function: function.to_owned(),
        parameters: Attributes::new(),
        input: owned(input),
        output: owned(output),
    }
}

fn entity(name: &str, fields: Vec<FieldSpec>, members: Vec<MemberSpec>) -> EntitySpec {
    EntitySpec {
        first_link: FirstLink::Prefer(SALESFORCE.to_owned()),
        on_delete: OnDelete::Archive,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: Some(24 * 3_600_000),
        ..spec::entity(name, fields, members)
    }
}

fn company() -> EntitySpec {
    let fields = vec![
        FieldSpec { clear: Clear::Ignore, ..always("name", SALESFORCE) },
        newest("website", FieldKind::Text),
        newest("phone", FieldKind::Phone),
        unless_blank("city", FieldKind::Text),
        unless_blank("postal_code", FieldKind::Text),
        unless_blank("employees", FieldKind::Integer),
    ];
    let hubspot = columns(&["name", "website", "phone", "city", "zip", "numberofemployees"]);
    let salesforce = columns(&[
        "Name",
        "Website",
        "Phone",
        "BillingCity",
        "BillingPostalCode",
        "NumberOfEmployees",
    ]);
    let fillers = |mut groups: Vec<MappingGroup>| {
        for group in groups.iter_mut().take(1) {
            group.rules.fillers = vec![NO_COMPANY.to_owned(), "個人".to_owned()];
        }
        groups
    };
    let members = vec![
        member(HUBSPOT, "companies", true, fillers(required(hubspot, "name"))),
        member(SALESFORCE, "Account", true, fillers(required(salesforce, "Name"))),
    ];
    let match_keys = vec![
        key("website", &[1], "website", &["website"], false),
        key("name and city", &[0, 3], "company-in-city", &["name", "city"], false),
        key("phone and name", &[2, 0], "company-by-phone", &["phone", "name"], false),
    ];
    EntitySpec { match_keys, ..entity("company", fields, members) }
}

fn person() -> EntitySpec {
    let winner = |name: &str| match name {
        "family_name" | "given_name" => Winner::Always(SALESFORCE.to_owned()),
        "city" | "postal_code" => Winner::Always(HUBSPOT.to_owned()),
        EMAIL_OPT_OUT => Winner::OptOut { when: true },
        "mobile" => Winner::Manual,
        "title" => Winner::UnlessBlank(SALESFORCE.to_owned()),
        _ => Winner::Newest,
    };
    let mut fields: Vec<FieldSpec> = PERSON_COLUMNS
        .iter()
        .map(|column| field(column.field, column.kind.clone(), winner(column.field)))
        .collect();
    if let Some(family_name) = fields.first_mut() {
        family_name.clear = Clear::Ignore;
    }
    let company = FieldKind::Reference { entity: "company".to_owned(), many: false };
    fields.push(unless_blank("company", company));
    let members = vec![
        member(HUBSPOT, "contacts", true, hubspot_person()),
        member(SALESFORCE, "Contact", false, salesforce_person(true)),
        MemberSpec {
            copies: vec![CopiedColumn {
                column: "Company".to_owned(),
                reference: FieldIndex(9),
                field: FieldIndex(0),
            }],
            constants: vec![("Company".to_owned(), Some(NO_COMPANY.into()))],
            ..member(SALESFORCE, "Lead", true, salesforce_person(false))
        },
    ];
    let match_keys = vec![
        key("mail", &[2], "mail", &["mail"], true),
        key("phone and name", &[4, 0, 1], "person", &["phone", "family_name", "given_name"], false),
    ];
    EntitySpec { match_keys, ..entity("person", fields, members) }
}

fn deal() -> EntitySpec {
    let ignored = |name: &str, kind: FieldKind, winner: Winner| FieldSpec {
        clear: Clear::Ignore,
        ..field(name, kind, winner)
    };
    let salesforce = || Winner::Always(SALESFORCE.to_owned());
    let company = FieldKind::Reference { entity: "company".to_owned(), many: false };
    let fields = vec![
        ignored("name", FieldKind::Text, Winner::Newest),
        field("amount", FieldKind::Decimal, salesforce()),
        ignored("close_date", FieldKind::Date, salesforce()),
        ignored("stage", FieldKind::Choice, salesforce()),
        field("company", company, salesforce()),
    ];
    let hubspot = ["dealname", "amount", "closedate", "dealstage", "associations.companies"];
    let salesforce = ["Name", "Amount", "CloseDate", "StageName", "AccountId"];
    let members = vec![
        MemberSpec {
            constants: vec![("pipeline".to_owned(), Some("default".into()))],
            ..member(HUBSPOT, "deals", true, deal_groups(&hubspot, "companies"))
        },
        member(SALESFORCE, "Opportunity", true, deal_groups(&salesforce, "Account")),
    ];
    let match_keys = vec![spec::match_key("name", &[0], false)];
    EntitySpec { on_delete: OnDelete::Review, match_keys, ..entity("deal", fields, members) }
}

/// The columns of a deal; the fourth one has the table of stages, the last one refers to a company.
fn deal_groups(names: &[&str; 5], target: &str) -> Vec<MappingGroup> {
    let words = |(stage, hubspot, salesforce): Stage| -> Vec<(&str, &str)> {
        let own = if target == "Account" { salesforce } else { &[hubspot] };
        own.iter().map(|word| (*word, stage)).collect()
    };
    let read: Vec<(&str, &str)> = STAGES.into_iter().flat_map(words).collect();
    let first = |stage: Stage| words(stage).first().map(|(word, stage)| (*stage, *word));
    let write: Vec<(&str, &str)> = STAGES.into_iter().filter_map(first).collect();
    let mut groups = columns(names);
    groups[3] = spec::table(3, names[3], &read, &write);
    groups[4].target = Some(target.to_owned());
    required(groups, names[0])
}

fn hubspot_person() -> Vec<MappingGroup> {
    let direction =
        |name: &str| if name == EMAIL_OPT_OUT { Direction::Read } else { Direction::Both };
    // The names are one column, below.
    let columns = PERSON_COLUMNS.iter().enumerate().skip(2);
    let mut groups: Vec<MappingGroup> = columns
        .map(|(index, column)| direct(index, column.hubspot, direction(column.field)))
        .collect();
    groups.push(MappingGroup {
        target: Some("companies".to_owned()),
        ..direct(9, "associations.companies", Direction::Both)
    });
    let function =
        function_of("names", "full-name", &["full_name"], &["family_name", "given_name"]);
    groups.push(MappingGroup {
        fields: vec![FieldIndex(0), FieldIndex(1)],
        columns: vec!["full_name".to_owned()],
        direction: Direction::Both,
        via: Via::Transform(TransformUse { function, orientation: Orientation::ForwardReads }),
        target: None,
        required: false,
        rules: ColumnRules::default(),
    });
    groups
}

fn salesforce_person(is_contact: bool) -> Vec<MappingGroup> {
    let mut groups: Vec<MappingGroup> = PERSON_COLUMNS
        .iter()
        .enumerate()
        .map(|(index, column)| {
            // A Lead has one address.
            let name = column.salesforce;
            let of_lead = name.strip_prefix("Mailing").unwrap_or(name);
            direct(index, if is_contact { name } else { of_lead }, Direction::Both)
        })
        .collect();
    if is_contact {
        groups.push(MappingGroup {
            target: Some("Account".to_owned()),
            ..direct(9, "AccountId", Direction::Both)
        });
    }
    required(groups, "LastName")
}
