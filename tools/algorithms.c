/*
 * Selects algorithms from what a user wrote and what we have.
 */
#include "tools/algorithms.h"

#include <stdio.h>
#include <string.h>

#include "crypto/cipher.h"
#include "proto/pattern.h"

/* What a kind is called in messages, what we have, and what OpenSSH has beside it. */
struct family {
    const char *noun;
    const char *ours;
    const char *foreign;
};

/* Names that OpenSSH 10 and older ones in use know: dropped when we lack them, never an error. */
static const struct family families[] = {
    [ALGORITHMS_CIPHER] =
        {
            "cipher",
            NULL,
            "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
            "aes128-ctr,aes192-ctr,aes256-ctr,aes128-cbc,aes192-cbc,aes256-cbc,"
            "rijndael-cbc@lysator.liu.se,3des-cbc",
        },
    [ALGORITHMS_MAC] =
        {
            "MAC",
            "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,"
            "hmac-sha2-512,umac-128-etm@openssh.com,umac-64-etm@openssh.com,umac-128@openssh.com,"
            "umac-64@openssh.com,hmac-sha1-etm@openssh.com,hmac-sha1",
            "hmac-md5,hmac-md5-96,hmac-sha1-96,hmac-md5-etm@openssh.com,"
            "hmac-md5-96-etm@openssh.com,hmac-sha1-96-etm@openssh.com",
        },
    [ALGORITHMS_KEX] =
        {
            "key exchange method",
            "curve25519-sha256,curve25519-sha256@libssh.org",
            "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,"
            "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
            "diffie-hellman-group-exchange-sha256,diffie-hellman-group-exchange-sha1,"
            "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,"
            "diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,"
            "diffie-hellman-group1-sha1",
        },
    [ALGORITHMS_HOSTKEY] =
        {
            "host key algorithm",
            "ssh-ed25519",
            "ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,"
            "sk-ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
            "ecdsa-sha2-nistp521,ecdsa-sha2-nistp256-cert-v01@openssh.com,"
            "ecdsa-sha2-nistp384-cert-v01@openssh.com,ecdsa-sha2-nistp521-cert-v01@openssh.com,"
            "sk-ecdsa-sha2-nistp256@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,"
            "webauthn-sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256,ssh-rsa,"
            "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"
            "ssh-rsa-cert-v01@openssh.com,ssh-dss,ssh-dss-cert-v01@openssh.com",
        },
    [ALGORITHMS_PUBKEY] =
        {
            "key type",
            "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
            "ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256",
            "ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519-cert-v01@openssh.com,"
            "ecdsa-sha2-nistp256-cert-v01@openssh.com,ecdsa-sha2-nistp384-cert-v01@openssh.com,"
            "ecdsa-sha2-nistp521-cert-v01@openssh.com,"
            "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com,"
            "webauthn-sk-ecdsa-sha2-nistp256@openssh.com,ssh-rsa,"
            "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,"
            "ssh-rsa-cert-v01@openssh.com,ssh-dss,ssh-dss-cert-v01@openssh.com",
        },
};

/* The next name of a comma list; *list moves behind it. Length 0: empty name or the end. */
static const char *next_name(const char **list, size_t *ret_len)
{
    const char *name = *list;
    size_t len = strcspn(name, ",");
    *list = name + len + (name[len] == ',' ? 1 : 0);
    *ret_len = len;
    return name;
}

bool algorithms_match(const char *patterns, const char *name, size_t name_len)
{
    struct slice text = {(const uint8_t *)name, name_len};
    struct slice list = {(const uint8_t *)patterns, strlen(patterns)};
    return pattern_match_list(text, list, true) == PATTERN_YES;
}

static bool list_has(const char *list, const char *name, size_t name_len)
{
    while (*list != '\0') {
        size_t len;
        const char *at = next_name(&list, &len);
        if (len == name_len && memcmp(at, name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds a name that is not there yet. All lists we build are shorter than ALGORITHMS_LIST_MAX,
 * because each name of ours is in them once. */
static void list_add(char *list, const char *name, size_t name_len)
{
    size_t used = strlen(list);
    if (!list_has(list, name, name_len) && used + name_len + 2 <= ALGORITHMS_LIST_MAX) {
        snprintf(list + used, ALGORITHMS_LIST_MAX - used, "%s%.*s", used > 0 ? "," : "",
                 (int)name_len, name);
    }
}

void algorithms_default(enum algorithms_kind kind, char ret_list[ALGORITHMS_LIST_MAX])
{
    ret_list[0] = '\0';
    if (kind != ALGORITHMS_CIPHER) {
        snprintf(ret_list, ALGORITHMS_LIST_MAX, "%s", families[kind].ours);
        return;
    }
    const struct cipher_spec *spec;
    for (size_t i = 0; (spec = cipher_at(i)) != NULL; i++) {
        list_add(ret_list, spec->name, strlen(spec->name));
    }
}

/* Adds to list the names of spec that we have. False: a name nobody knows. */
static bool add_ours(enum algorithms_kind kind, const char *spec, char *list, char *why,
                     size_t why_len)
{
    char ours[ALGORITHMS_LIST_MAX];
    algorithms_default(kind, ours);
    do {
        size_t len;
        const char *name = next_name(&spec, &len);
        if (list_has(ours, name, len)) {
            list_add(list, name, len);
        } else if (len == 0 || !list_has(families[kind].foreign, name, len)) {
            snprintf(why, why_len, "unknown %s \"%.*s\"; possible: %s", families[kind].noun,
                     (int)(len < 128 ? len : 128), name, ours);
            return false;
        }
    } while (*spec != '\0');
    return true;
}

bool algorithms_select(enum algorithms_kind kind, const char *spec,
                       char ret_list[ALGORITHMS_LIST_MAX], char *ret_why, size_t why_len)
{
    char ours[ALGORITHMS_LIST_MAX];
    algorithms_default(kind, ours);
    ret_list[0] = '\0';
    if (spec[0] == '-') {
        const char *rest = ours;
        while (*rest != '\0') {
            size_t len;
            const char *name = next_name(&rest, &len);
            if (!algorithms_match(spec + 1, name, len)) {
                list_add(ret_list, name, len);
            }
        }
    } else if (spec[0] == '+') {
        snprintf(ret_list, ALGORITHMS_LIST_MAX, "%s", ours);
        if (!add_ours(kind, spec + 1, ret_list, ret_why, why_len)) {
            return false;
        }
    } else {
        bool front = spec[0] == '^';
        if (!add_ours(kind, spec + (front ? 1 : 0), ret_list, ret_why, why_len)) {
            return false;
        }
        const char *rest = front ? ours : "";
        while (*rest != '\0') {
            size_t len;
            const char *name = next_name(&rest, &len);
            list_add(ret_list, name, len);
        }
    }
    if (ret_list[0] == '\0') {
        snprintf(ret_why, why_len, "no supported %s in \"%.256s\"; possible: %s",
                 families[kind].noun, spec, ours);
        return false;
    }
    return true;
}
