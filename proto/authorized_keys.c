/*
 * authorized_keys: lines, options, and the search for a key.
 */
#include "proto/authorized_keys.h"

#include <string.h>

#include "proto/keytext.h"
#include "proto/limits.h"
#include "proto/pattern.h"

struct option_row {
    const char *name;
    enum authorized_keys_option_kind kind;
    bool has_value;
};

static const struct option_row option_rows[] = {
    {"restrict", AUTHORIZED_KEYS_RESTRICT, false},
    {"port-forwarding", AUTHORIZED_KEYS_PORT_FORWARDING, false},
    {"no-port-forwarding", AUTHORIZED_KEYS_NO_PORT_FORWARDING, false},
    {"permitopen", AUTHORIZED_KEYS_PERMITOPEN, true},
    {"from", AUTHORIZED_KEYS_FROM, true},
    {"expiry-time", AUTHORIZED_KEYS_EXPIRY_TIME, true},
    {"pty", AUTHORIZED_KEYS_HARMLESS, false},
    {"no-pty", AUTHORIZED_KEYS_HARMLESS, false},
    {"agent-forwarding", AUTHORIZED_KEYS_HARMLESS, false},
    {"no-agent-forwarding", AUTHORIZED_KEYS_HARMLESS, false},
    {"X11-forwarding", AUTHORIZED_KEYS_HARMLESS, false},
    {"no-X11-forwarding", AUTHORIZED_KEYS_HARMLESS, false},
    {"user-rc", AUTHORIZED_KEYS_HARMLESS, false},
    {"no-user-rc", AUTHORIZED_KEYS_HARMLESS, false},
};

/* Digits only; false also above max. */
static bool parse_digits(struct slice text, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 14) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *ret_value = value;
    return value <= max;
}

static struct slice sub(struct slice text, size_t start, size_t len)
{
    return (struct slice){text.bytes + start, len};
}

bool authorized_keys_rule(struct slice rule, struct slice *ret_host, uint16_t *ret_port)
{
    const uint8_t *colon;
    struct slice host;
    struct slice port;
    uint64_t number = 0;
    size_t host_len;

    if (rule.len == 0) {
        return false;
    }
    if (rule.bytes[0] == '[') {
        const uint8_t *close = memchr(rule.bytes, ']', rule.len);

        if (!close || close + 1 == rule.bytes + rule.len || close[1] != ':') {
            return false;
        }
        host = sub(rule, 1, (size_t)(close - rule.bytes) - 1);
        colon = close + 1;
    } else {
        colon = memchr(rule.bytes, ':', rule.len);
        if (!colon) {
            return false;
        }
        host = sub(rule, 0, (size_t)(colon - rule.bytes));
    }
    host_len = (size_t)(colon - rule.bytes);
    port = sub(rule, host_len + 1, rule.len - host_len - 1);
    if (host.len == 0 || host.len > LIMIT_HOST) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.bytes[i];

        /* '/' would be OpenSSH's other separator, the rest no host can have */
        if (c <= ' ' || c >= 0x7f || strchr("\"\\/,[]", c)) {
            return false;
        }
    }
    if (!slice_is(port, "*") &&
        (port.len > 5 || !parse_digits(port, UINT16_MAX, &number) || number == 0)) {
        return false;
    }
    *ret_host = host;
    *ret_port = (uint16_t)number;
    return true;
}

static unsigned days_of(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

/* "YYYYMMDD[HHMM[SS]][Z]" to a number with all 14 digits. */
static bool parse_time(struct slice text, uint64_t *ret_time, bool *ret_utc)
{
    uint64_t number;
    unsigned year;
    unsigned month;
    unsigned day;

    *ret_utc = false;
    if (text.len > 0 && (text.bytes[text.len - 1] == 'Z' || text.bytes[text.len - 1] == 'z')) {
        *ret_utc = true;
        text.len--;
    }
    if ((text.len != 8 && text.len != 12 && text.len != 14) ||
        !parse_digits(text, UINT64_MAX, &number)) {
        return false;
    }
    for (size_t len = text.len; len < 14; len += 2) {
        number *= 100;
    }
    year = (unsigned)(number / 10000000000);
    month = (unsigned)(number / 100000000 % 100);
    day = (unsigned)(number / 1000000 % 100);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month) ||
        number / 10000 % 100 > 23 || number / 100 % 100 > 59 || number % 100 > 59) {
        return false;
    }
    *ret_time = number;
    return true;
}

/* Length of the quoted value that begins behind the opening quote, up to its closing quote. */
static bool find_quote(struct slice text, size_t *ret_len)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.bytes[i] == '\\' && i + 1 < text.len && text.bytes[i + 1] == '"') {
            i++;
        } else if (text.bytes[i] == '"') {
            *ret_len = i;
            return true;
        }
    }
    return false;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool same_name(struct slice name, const char *row_name)
{
    if (name.len != strlen(row_name)) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (lower(name.bytes[i]) != lower((uint8_t)row_name[i])) {
            return false;
        }
    }
    return true;
}

static const struct option_row *find_row(struct slice name)
{
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        if (same_name(name, option_rows[i].name)) {
            return &option_rows[i];
        }
    }
    return NULL;
}

static const char *check_value(const struct authorized_keys_option *option)
{
    struct slice host;
    uint16_t port;
    uint64_t time;
    bool utc;

    if (option->kind == AUTHORIZED_KEYS_PERMITOPEN &&
        !authorized_keys_rule(option->value, &host, &port)) {
        return "has a bad permitopen, it must be host:port with a port number or *";
    }
    if (option->kind == AUTHORIZED_KEYS_EXPIRY_TIME && !parse_time(option->value, &time, &utc)) {
        return "has a bad expiry-time, it must be YYYYMMDD[HHMM[SS]][Z]";
    }
    return NULL;
}

/* Reads one option off the text; the phrase of what is wrong, or NULL. */
static const char *take_option(struct slice *options, struct authorized_keys_option *ret_option)
{
    size_t name_len = 0;
    size_t value_len;
    const struct option_row *row;

    while (name_len < options->len && options->bytes[name_len] != ',' &&
           options->bytes[name_len] != '=') {
        name_len++;
    }
    row = find_row(sub(*options, 0, name_len));
    if (!row) {
        return "has an option that culvertd does not know or can't honour";
    }
    ret_option->kind = row->kind;
    ret_option->value = sub(*options, 0, 0);
    *options = sub(*options, name_len, options->len - name_len);
    if (row->has_value) {
        if (options->len < 2 || options->bytes[0] != '=' || options->bytes[1] != '"') {
            return "has an option that lacks its =\"value\"";
        }
        *options = sub(*options, 2, options->len - 2);
        if (!find_quote(*options, &value_len)) {
            return "has a quote that is not closed";
        }
        ret_option->value = sub(*options, 0, value_len);
        *options = sub(*options, value_len + 1, options->len - value_len - 1);
    }
    if (options->len > 0) {
        if (options->bytes[0] != ',' || options->len == 1) {
            return "has a stray character behind an option";
        }
        *options = sub(*options, 1, options->len - 1);
    }
    return check_value(ret_option);
}

enum authorized_keys_step authorized_keys_next(struct slice *options,
                                               struct authorized_keys_option *ret_option,
                                               const char **ret_why)
{
    if (options->len == 0) {
        return AUTHORIZED_KEYS_STEP_END;
    }
    *ret_why = take_option(options, ret_option);
    return *ret_why ? AUTHORIZED_KEYS_STEP_BAD : AUTHORIZED_KEYS_STEP_OPTION;
}

/* Does from= let this address in? The phrase of why not, or NULL. */
static const char *check_from(struct slice list, const char *address)
{
    switch (pattern_match_address(address, list)) {
    case PATTERN_YES:
        return NULL;
    case PATTERN_BAD:
        return "has a from= list that can't be understood";
    case PATTERN_NO:
    case PATTERN_DENIED:
        break;
    }
    return "does not allow the address the client comes from";
}

static const char *check_expiry(struct slice value, const struct authorized_keys_now *now)
{
    uint64_t time;
    bool utc;

    if (!parse_time(value, &time, &utc)) {
        return "has a bad expiry-time";
    }
    return (utc ? now->utc : now->local) > time ? "has a key that has expired" : NULL;
}

/* All options of the line that holds the key. A bad one anywhere comes before what others say. */
static const char *judge_options(struct slice options, const struct authorized_keys_query *query)
{
    const char *refusal = NULL;
    bool has_from = false;

    for (;;) {
        struct authorized_keys_option option;
        const char *why = NULL;
        enum authorized_keys_step step = authorized_keys_next(&options, &option, &why);

        if (step == AUTHORIZED_KEYS_STEP_END) {
            return refusal;
        }
        if (step == AUTHORIZED_KEYS_STEP_BAD) {
            return why;
        }
        if (option.kind == AUTHORIZED_KEYS_FROM) {
            if (has_from) {
                return "has more than one from=";
            }
            has_from = true;
            why = check_from(option.value, query->address);
        } else if (option.kind == AUTHORIZED_KEYS_EXPIRY_TIME) {
            why = check_expiry(option.value, &query->now);
        }
        if (why && !refusal) {
            refusal = why;
        }
    }
}

/* The options text in front of a key: up to the first blank outside of quotes. */
static bool split_options(struct slice line, struct slice *ret_options, struct slice *ret_rest)
{
    bool quoted = false;
    size_t i;

    for (i = 0; i < line.len; i++) {
        uint8_t c = line.bytes[i];

        if (!quoted && (c == ' ' || c == '\t')) {
            break;
        }
        if (c == '\\' && i + 1 < line.len && line.bytes[i + 1] == '"') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        }
    }
    *ret_options = sub(line, 0, i);
    *ret_rest = sub(line, i, line.len - i);
    return !quoted;
}

struct line_judgement {
    bool same_key;
    /* why it admits nobody, or not this peer; NULL with same_key: admitted */
    const char *refusal;
    struct slice options;
};

static struct line_judgement judge_line(struct slice line,
                                        const struct authorized_keys_query *query)
{
    struct line_judgement out = {0};
    struct slice rest = keytext_trim(line);
    struct keytext key;

    if (rest.len == 0 || rest.bytes[0] == '#') {
        return out;
    }
    if (memchr(rest.bytes, 0, rest.len)) {
        out.refusal = "holds a NUL byte";
        return out;
    }
    out.options = sub(rest, 0, 0);
    if (!keytext_parse(rest, &key)) {
        if (!split_options(rest, &out.options, &rest)) {
            out.refusal = "has a quote that is not closed";
            return out;
        }
        if (!keytext_parse(rest, &key)) {
            out.refusal = "holds no key";
            return out;
        }
    }
    if (key.blob_len == query->key.len && memcmp(key.blob, query->key.bytes, key.blob_len) == 0) {
        out.same_key = true;
        out.refusal = judge_options(out.options, query);
    }
    return out;
}

/* The next line without its end, advancing the text. */
static struct slice take_line(struct slice *text)
{
    const uint8_t *end = memchr(text->bytes, '\n', text->len);
    size_t len = end ? (size_t)(end - text->bytes) : text->len;
    struct slice line = sub(*text, 0, len);

    *text = end ? sub(*text, len + 1, text->len - len - 1) : sub(*text, len, 0);
    return line;
}

struct authorized_keys_answer authorized_keys_find(struct slice file,
                                                   const struct authorized_keys_query *query,
                                                   const struct authorized_keys_report *report)
{
    struct authorized_keys_answer answer = {0};

    for (unsigned number = 1; file.len > 0; number++) {
        struct slice line = take_line(&file);
        struct line_judgement judgement = {.refusal = "is too long"};

        if (line.len <= AUTHORIZED_KEYS_LINE_MAX) {
            judgement = judge_line(line, query);
        }
        if (judgement.same_key && !judgement.refusal) {
            answer.admitted = true;
            answer.options = judgement.options;
            answer.line = number;
            return answer;
        }
        if (judgement.refusal && report) {
            report->refused(report->ctx, number, judgement.same_key, judgement.refusal);
        }
    }
    return answer;
}
