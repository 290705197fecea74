//! Every qualified name that is read or written anywhere, once. A constant is called what the RFC calls the element,
//! in capitals; where two namespaces have the same word, the later one carries its namespace's letters.

use super::name::Name;

/// WebDAV (RFC 4918, 3744, 5397, 5689, 6578).
pub const DAV: &str = "DAV:";
/// CalDAV (RFC 4791, 6638, 7809).
pub const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
/// What Apple's server added.
pub const CALENDARSERVER: &str = "http://calendarserver.org/ns/";
/// What Apple's calendar program added.
pub const APPLE_ICAL: &str = "http://apple.com/ns/ical/";
/// What Apple's cloud added.
pub const APPLE_ME: &str = "http://me.com/_namespace/";
/// `xml:lang` and its kind.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Namespace declarations themselves.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// The prefixes that [`super::Writer`] declares on a root element. Nothing ever depends on them.
pub(super) const PREFIXES: [(&str, &str); 4] = [(DAV, "D"), (CALDAV, "C"), (CALENDARSERVER, "CS"), (APPLE_ICAL, "A")];

macro_rules! names {
    ($namespace:expr; $($constant:ident = $local:literal)*) => {$(
        #[doc = concat!("`", stringify!($namespace), ":", $local, "`")]
        pub const $constant: Name = Name::new($namespace, $local);
    )*};
}

names! { DAV;
    ABSTRACT = "abstract"
    ACE = "ace"
    ACL = "acl"
    ACL_PRINCIPAL_PROP_SET = "acl-principal-prop-set"
    ACL_RESTRICTIONS = "acl-restrictions"
    ADD_MEMBER = "add-member"
    ALL = "all"
    ALLPROP = "allprop"
    ALTERNATE_URI_SET = "alternate-URI-set"
    APPLY_TO_PRINCIPAL_COLLECTION_SET = "apply-to-principal-collection-set"
    BIND = "bind"
    CANNOT_MODIFY_PROTECTED_PROPERTY = "cannot-modify-protected-property"
    COLLECTION = "collection"
    CREATIONDATE = "creationdate"
    CURRENT_USER_PRINCIPAL = "current-user-principal"
    CURRENT_USER_PRIVILEGE_SET = "current-user-privilege-set"
    DESCRIPTION = "description"
    DISPLAYNAME = "displayname"
    ERROR = "error"
    EXPAND_PROPERTY = "expand-property"
    GETCONTENTLANGUAGE = "getcontentlanguage"
    GETCONTENTLENGTH = "getcontentlength"
    GETCONTENTTYPE = "getcontenttype"
    GETETAG = "getetag"
    GETLASTMODIFIED = "getlastmodified"
    GRANT = "grant"
    GROUP = "group"
    GROUP_MEMBERSHIP = "group-membership"
    GROUP_MEMBER_SET = "group-member-set"
    HREF = "href"
    INCLUDE = "include"
    INHERITED_ACL_SET = "inherited-acl-set"
    LIMIT = "limit"
    LOCKDISCOVERY = "lockdiscovery"
    MATCH = "match"
    MKCOL = "mkcol"
    MKCOL_RESPONSE = "mkcol-response"
    MULTISTATUS = "multistatus"
    NEED_PRIVILEGES = "need-privileges"
    NRESULTS = "nresults"
    NUMBER_OF_MATCHES_WITHIN_LIMITS = "number-of-matches-within-limits"
    OWNER = "owner"
    PRINCIPAL = "principal"
    PRINCIPAL_COLLECTION_SET = "principal-collection-set"
    PRINCIPAL_MATCH = "principal-match"
    PRINCIPAL_PROPERTY = "principal-property"
    PRINCIPAL_PROPERTY_SEARCH = "principal-property-search"
    PRINCIPAL_SEARCH_PROPERTY = "principal-search-property"
    PRINCIPAL_SEARCH_PROPERTY_SET = "principal-search-property-set"
    PRINCIPAL_URL = "principal-URL"
    PRIVILEGE = "privilege"
    PROP = "prop"
    PROPERTY = "property"
    PROPERTY_SEARCH = "property-search"
    PROPERTYUPDATE = "propertyupdate"
    PROPFIND = "propfind"
    PROPFIND_FINITE_DEPTH = "propfind-finite-depth"
    PROPNAME = "propname"
    PROPSTAT = "propstat"
    PROTECTED = "protected"
    QUOTA_AVAILABLE_BYTES = "quota-available-bytes"
    QUOTA_NOT_EXCEEDED = "quota-not-exceeded"
    QUOTA_USED_BYTES = "quota-used-bytes"
    READ = "read"
    READ_ACL = "read-acl"
    READ_CURRENT_USER_PRIVILEGE_SET = "read-current-user-privilege-set"
    REMOVE = "remove"
    REPORT = "report"
    RESOURCE = "resource"
    RESOURCE_ID = "resource-id"
    RESOURCE_MUST_BE_NULL = "resource-must-be-null"
    RESOURCETYPE = "resourcetype"
    RESPONSE = "response"
    RESPONSEDESCRIPTION = "responsedescription"
    SELF = "self"
    SET = "set"
    STATUS = "status"
    SUFFICIENT_DISK_SPACE = "sufficient-disk-space"
    SUPPORTED_PRIVILEGE = "supported-privilege"
    SUPPORTED_PRIVILEGE_SET = "supported-privilege-set"
    SUPPORTED_REPORT = "supported-report"
    SUPPORTED_REPORT_SET = "supported-report-set"
    SUPPORTEDLOCK = "supportedlock"
    SYNC_COLLECTION = "sync-collection"
    SYNC_LEVEL = "sync-level"
    SYNC_TOKEN = "sync-token"
    SYNC_TRAVERSAL_SUPPORTED = "sync-traversal-supported"
    UNAUTHENTICATED = "unauthenticated"
    UNBIND = "unbind"
    VALID_RESOURCETYPE = "valid-resourcetype"
    VALID_SYNC_TOKEN = "valid-sync-token"
    WRITE = "write"
    WRITE_ACL = "write-acl"
    WRITE_CONTENT = "write-content"
    WRITE_PROPERTIES = "write-properties"
}

names! { CALDAV;
    ALLCOMP = "allcomp"
    ALL_PROPERTIES = "allprop"
    CALENDAR = "calendar"
    CALENDAR_AVAILABILITY = "calendar-availability"
    CALENDAR_COLLECTION_LOCATION_OK = "calendar-collection-location-ok"
    CALENDAR_DATA = "calendar-data"
    CALENDAR_DESCRIPTION = "calendar-description"
    CALENDAR_FREE_BUSY_SET = "calendar-free-busy-set"
    CALENDAR_HOME_SET = "calendar-home-set"
    CALENDAR_MULTIGET = "calendar-multiget"
    CALENDAR_QUERY = "calendar-query"
    CALENDAR_TIMEZONE = "calendar-timezone"
    CALENDAR_TIMEZONE_ID = "calendar-timezone-id"
    CALENDAR_USER_ADDRESS_SET = "calendar-user-address-set"
    CALENDAR_USER_TYPE = "calendar-user-type"
    COMP = "comp"
    COMP_FILTER = "comp-filter"
    DEFAULT_ALARM_VEVENT_DATE = "default-alarm-vevent-date"
    DEFAULT_ALARM_VEVENT_DATETIME = "default-alarm-vevent-datetime"
    EXPAND = "expand"
    FILTER = "filter"
    FREE_BUSY_QUERY = "free-busy-query"
    INITIALIZE_CALENDAR_COLLECTION = "initialize-calendar-collection"
    IS_NOT_DEFINED = "is-not-defined"
    LIMIT_FREEBUSY_SET = "limit-freebusy-set"
    LIMIT_RECURRENCE_SET = "limit-recurrence-set"
    MAX_ATTENDEES_PER_INSTANCE = "max-attendees-per-instance"
    MAX_DATE_TIME = "max-date-time"
    MAX_INSTANCES = "max-instances"
    MAX_RESOURCE_SIZE = "max-resource-size"
    MIN_DATE_TIME = "min-date-time"
    MKCALENDAR = "mkcalendar"
    MKCALENDAR_RESPONSE = "mkcalendar-response"
    NO_UID_CONFLICT = "no-uid-conflict"
    OPAQUE = "opaque"
    PARAM_FILTER = "param-filter"
    PROP_FILTER = "prop-filter"
    PROPERTY_CALDAV = "prop"
    READ_FREE_BUSY = "read-free-busy"
    SCHEDULE_CALENDAR_TRANSP = "schedule-calendar-transp"
    SCHEDULE_DEFAULT_CALENDAR_URL = "schedule-default-calendar-URL"
    SCHEDULE_INBOX_URL = "schedule-inbox-URL"
    SCHEDULE_OUTBOX_URL = "schedule-outbox-URL"
    SCHEDULE_TAG = "schedule-tag"
    SUPPORTED_CALENDAR_COMPONENT = "supported-calendar-component"
    SUPPORTED_CALENDAR_COMPONENT_SET = "supported-calendar-component-set"
    SUPPORTED_CALENDAR_COMPONENT_SETS = "supported-calendar-component-sets"
    SUPPORTED_CALENDAR_DATA = "supported-calendar-data"
    SUPPORTED_COLLATION = "supported-collation"
    SUPPORTED_COLLATION_SET = "supported-collation-set"
    SUPPORTED_FILTER = "supported-filter"
    TEXT_MATCH = "text-match"
    TIME_RANGE = "time-range"
    TIMEZONE = "timezone"
    TIMEZONE_ID = "timezone-id"
    TIMEZONE_SERVICE_SET = "timezone-service-set"
    TRANSPARENT = "transparent"
    VALID_CALENDAR_DATA = "valid-calendar-data"
    VALID_CALENDAR_OBJECT_RESOURCE = "valid-calendar-object-resource"
    VALID_FILTER = "valid-filter"
    VALID_TIMEZONE = "valid-timezone"
}

names! { CALENDARSERVER;
    ALLOWED_CALENDAR_COMPONENT_SET = "allowed-calendar-component-set"
    CALENDAR_PROXY_READ_FOR = "calendar-proxy-read-for"
    CALENDAR_PROXY_WRITE_FOR = "calendar-proxy-write-for"
    EMAIL_ADDRESS = "email-address"
    EMAIL_ADDRESS_SET = "email-address-set"
    FIRST_NAME = "first-name"
    GETCTAG = "getctag"
    LAST_NAME = "last-name"
    SOURCE = "source"
    SUBSCRIBED = "subscribed"
}

names! { APPLE_ICAL;
    CALENDAR_COLOR = "calendar-color"
    CALENDAR_ORDER = "calendar-order"
}

names! { XML;
    LANG = "lang"
}

/// The namespace as a constant text, if it is one of those above.
pub(super) fn known_namespace(uri: &str) -> Option<&'static str> {
    [DAV, CALDAV, CALENDARSERVER, APPLE_ICAL, APPLE_ME, XML].into_iter().find(|known| *known == uri)
}
