//! Codes, types and reasons by which providers name an error, read November 2026:
//!
//! - OpenAI: developers.openai.com/api/docs/guides/error-codes
//! - Anthropic: platform.claude.com/docs/en/api/errors
//! - Google: github.com/googleapis/googleapis, google/rpc/code.proto and google/api/error_reason.proto
//! - AWS: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, and the codes that
//!   botocore takes for throttling
//! - Mistral, Cerebras, Together, OpenRouter, Azure: reports on their issue trackers
//! - Z.ai: docs.z.ai/api-reference/api-code
//! - IETF: draft-ietf-httpapi-ratelimit-headers, "Problem types"

use super::Class;
use crate::provider::verdict::{AccountProblem, ModelProblem, Overload};

/// What a name means; the more it decides, the earlier it stands. All in small letters without signs.
const NAMES: &[(Class, &[&str])] = &[
    (
        Class::Account(AccountProblem::Credit),
        &[
            "creditbalanceexhausted",
            "insufficientbalance",
            "insufficientcredits",
            "insufficientfunds",
            "paymentrequired",
            "1113",
        ],
    ),
    (
        Class::Account(AccountProblem::Spending),
        &[
            "organizationspendlimitexceeded",
            "projectspendlimitexceeded",
            "organizationusagelimitexceeded",
            "projectusagelimitexceeded",
            "enforcedspendlimitreached",
            "spendlimitreached",
            "spendlimitexceeded",
            "billinghardlimitreached",
            "budgetexceeded",
        ],
    ),
    (
        Class::Account(AccountProblem::Billing),
        &["billingnotactive", "billingdisabled", "billingerror", "accountbillingnotactive"],
    ),
    (
        Class::Account(AccountProblem::Quota),
        &[
            "insufficientquota",
            "insufficientuserquota",
            "quotaexceeded",
            "preconsumetokenquotafailed",
            "1308",
            "1310",
        ],
    ),
    (
        Class::Account(AccountProblem::Key),
        &[
            "invalidapikey",
            "apikeyinvalid",
            "apikeyexpired",
            "incorrectapikey",
            "unrecognizedclientexception",
            "expiredtokenexception",
            "1000",
            "1001",
            "1002",
            "1003",
            "1004",
        ],
    ),
    (
        Class::Account(AccountProblem::Suspended),
        &[
            "consumersuspended",
            "servicedisabled",
            "accountdeactivated",
            "organizationdisabled",
            "1110",
            "1111",
            "1112",
            "1121",
            "1309",
        ],
    ),
    (
        Class::TooLarge,
        &[
            "contextlengthexceeded",
            "contextwindowexceeded",
            "requesttoolarge",
            "requestentitytoolarge",
            "payloadtoolarge",
            "stringabovemaxlength",
            "prompttoolong",
            "inputtoolong",
            "tokenslimitreached",
            "1261",
        ],
    ),
    (
        Class::Model(ModelProblem::Unknown),
        &[
            "modelnotfound",
            "modelnotexist",
            "unknownmodel",
            "deploymentnotfound",
            "modeldecommissioned",
            "modeldeprecated",
            "invalidmodel",
            "1211",
        ],
    ),
    (
        Class::Model(ModelProblem::Region),
        &["unsupportedcountryregionterritory", "unsupportedcountry", "locationnotsupported"],
    ),
    (
        Class::Model(ModelProblem::Forbidden),
        &[
            "modelnotallowed",
            "modelaccessdenied",
            "modelpermissionblockedproject",
            "modelpermissionblockedorg",
            "modeltermsrequired",
            "1220",
        ],
    ),
    (Class::Overloaded(Overload::SlowDown), &["slowdown", "ietfabnormalusagedetected", "accelerationlimit"]),
    (
        Class::Overloaded(Overload::Capacity),
        &[
            "overloaded",
            "overloadederror",
            "engineoverloaded",
            "engineoverloadederror",
            "serveroverloaded",
            "serviceoverloaded",
            "queueexceeded",
            "servicetiercapacityexceeded",
            "capacityexceeded",
            "flexcapacityexceeded",
            "nocapacity",
            "resourceunavailable",
            "serviceunavailable",
            "serviceunavailableerror",
            "serviceunavailableexception",
            "modelnotreadyexception",
            "ietftemporaryreducedcapacity",
            "3505",
            "1305",
            "1312",
        ],
    ),
    (
        Class::RateLimited,
        &[
            "ratelimitexceeded",
            "ratelimiterror",
            "ratelimitreached",
            "ratelimited",
            "ratelimit",
            "toomanyrequests",
            "toomanyrequestserror",
            "toomanyrequestsexception",
            "requestquotaexceeded",
            "tokenquotaexceeded",
            "dynamicrequestlimited",
            "dynamictokenlimited",
            "concurrencylimitexceeded",
            "concurrencylimit",
            "ietfquotaexceeded",
            "resourceexhausted",
            "1300",
            "1302",
            "1303",
            "1304",
            "throttling",
            "throttlingexception",
            "throttledexception",
            "requestthrottled",
            "requestthrottledexception",
            "provisionedthroughputexceededexception",
            "requestlimitexceeded",
            "limitexceededexception",
            "bandwidthlimitexceeded",
            "servicequotaexceededexception",
            "priorrequestnotcomplete",
            "ec2throttledexception",
        ],
    ),
];

/// Names that say no more than a status does, for errors that come without one.
const STATUSES: &[(u16, &[&str])] = &[
    (401, &["authenticationerror", "unauthenticated", "unauthorized"]),
    (402, &["billingerror"]),
    (403, &["permissionerror", "permissiondenied", "forbidden", "accessdeniedexception"]),
    (404, &["notfounderror", "notfound", "resourcenotfoundexception"]),
    (503, &["unavailable"]),
    (504, &["timeouterror", "deadlineexceeded", "modeltimeoutexception"]),
    (500, &["apierror", "servererror", "internal", "internalservererror", "internalserverexception"]),
    (500, &["modelstreamerrorexception", "modelerrorexception"]),
    (400, &["invalidrequesterror", "invalidargument", "failedprecondition", "validationexception"]),
    (400, &["badrequest", "badrequesterror", "contentfilter", "invalidprompt"]),
];

/// What the names of an error mean, by the one that decides most.
pub(super) fn class(names: &[String]) -> Option<Class> {
    let named = |any: &[&str]| names.iter().any(|name| any.contains(&name.as_str()));
    NAMES.iter().find(|(_, any)| named(any)).map(|(class, _)| *class)
}

/// The status that the names of an error stand for.
pub(super) fn status(names: &[String]) -> Option<u16> {
    let named = |any: &[&str]| names.iter().any(|name| any.contains(&name.as_str()));
    STATUSES.iter().find(|(_, any)| named(any)).map(|(status, _)| *status)
}
