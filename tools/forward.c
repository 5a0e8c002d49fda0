/*
 * Forward specifications.
 */
#include "tools/forward.h"

#include <ctype.h>
#include <netdb.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 4 };

struct fields {
    int count;
    char *text[FIELDS_MAX];
    bool is_path[FIELDS_MAX];
};

static const char why_grammar[] = "it must be [bind_address:]port:host:hostport";
static const char why_memory[] = "there is no memory left";

/* Ends the field at *at, moving *at behind its colon. False: a bracket or backslash stands open. */
static bool end_bracketed(char **at, bool *ret_is_path)
{
    char *out = *at;
    char *in = *at;

    for (; *in != ']'; in++) {
        if (*in == '\\') {
            in++;
        }
        if (*in == 0) {
            return false;
        }
        *ret_is_path |= *in == '/';
        *out++ = *in;
    }
    in++;
    if (*in != ':' && *in != 0) {
        return false;
    }
    *at = *in == 0 ? in : in + 1;
    *out = 0;
    return true;
}

static bool end_plain(char **at, bool *ret_is_path)
{
    char *out = *at;
    char *in = *at;

    for (; *in != 0 && *in != ':'; in++) {
        if (*in == '\\' && *++in == 0) {
            return false;
        }
        *ret_is_path |= *in == '/';
        *out++ = *in;
    }
    *at = *in == 0 ? in : in + 1;
    *out = 0;
    return true;
}

/* Cuts text into its fields, in place. What is wrong, or NULL. */
static const char *split(char *text, struct fields *ret_fields)
{
    char *at = text + strspn(text, " \t\n\v\f\r");

    *ret_fields = (struct fields){0};
    while (*at != 0) {
        int n = ret_fields->count;
        bool bracketed = *at == '[';

        if (n == FIELDS_MAX) {
            return "it has too many fields, IPv6 addresses must be in [brackets]";
        }
        at += bracketed;
        ret_fields->text[n] = at;
        if (bracketed && !end_bracketed(&at, &ret_fields->is_path[n])) {
            return "a [bracket] is not closed at the end of its field";
        }
        if (!bracketed && !end_plain(&at, &ret_fields->is_path[n])) {
            return "it ends in a backslash";
        }
        ret_fields->count++;
    }
    return NULL;
}

/* A number or the name of a TCP service; 0: neither, or port 0. */
static uint16_t parse_port(const char *text)
{
    const struct servent *service;
    size_t digits = strspn(text, "0123456789");

    if (digits > 0 && text[digits] == 0) {
        long value = digits > 9 ? 0 : strtol(text, NULL, 10);

        return value > UINT16_MAX ? 0 : (uint16_t)value;
    }
    service = getservbyname(text, "tcp");
    return service ? ntohs((uint16_t)service->s_port) : 0;
}

static const char *fill(const struct fields *fields, struct forward *forward)
{
    /* 3 fields: the bind address is missing */
    int first = fields->count == FIELDS_MAX ? 1 : 0;
    const char *bind = fields->text[0];
    const char *host;

    for (int i = 0; i < fields->count; i++) {
        if (fields->is_path[i]) {
            return "unix domain sockets are not supported yet";
        }
    }
    if (fields->count < 3) {
        return why_grammar;
    }
    host = fields->text[first + 1];
    forward->listen_port = parse_port(fields->text[first]);
    forward->host_port = parse_port(fields->text[first + 2]);
    if (forward->listen_port == 0) {
        return "the listen port must be 1 to 65535 or the name of a service";
    }
    if (forward->host_port == 0) {
        return "the target port must be 1 to 65535 or the name of a service";
    }
    if (host[0] == 0) {
        return "the target host is missing";
    }
    if (strlen(host) >= FORWARD_HOST_MAX || (first == 1 && strlen(bind) >= FORWARD_HOST_MAX)) {
        return "a host name in it is too long";
    }
    forward->host = strdup(host);
    if (!forward->host) {
        return why_memory;
    }
    if (first == 1) {
        forward->bind_given = true;
        forward->bind = strdup(bind[0] == 0 ? "*" : bind);
        return forward->bind ? NULL : why_memory;
    }
    return NULL;
}

bool forward_parse(const char *spec, struct forward *ret_forward,
                   char ret_error[FORWARD_ERROR_SIZE])
{
    char *copy = strdup(spec);
    const char *why = why_memory;
    struct fields fields;

    *ret_forward = (struct forward){0};
    if (copy) {
        why = split(copy, &fields);
    }
    if (!why) {
        why = fill(&fields, ret_forward);
    }
    free(copy);
    if (why) {
        forward_free(ret_forward);
        snprintf(ret_error, FORWARD_ERROR_SIZE, "Bad local forwarding specification '%.200s': %s",
                 spec, why);
        return false;
    }
    ret_error[0] = 0;
    return true;
}

bool forward_parse_words(const char *listen, const char *target, struct forward *ret_forward,
                         char ret_error[FORWARD_ERROR_SIZE])
{
    char *spec = NULL;
    bool good;

    *ret_forward = (struct forward){0};
    if (asprintf(&spec, "%s:%s", listen, target) < 0) {
        snprintf(ret_error, FORWARD_ERROR_SIZE, "Bad LocalForward: %s", why_memory);
        return false;
    }
    good = forward_parse(spec, ret_forward, ret_error);
    free(spec);
    return good;
}

void forward_free(struct forward *forward)
{
    free(forward->bind);
    free(forward->host);
    *forward = (struct forward){0};
}
