/*
 * proto/keyfile: files made with ssh-keygen are read, ours are written and read back, and damage at
 * any byte is noticed. The keys here were made for this test and admit to nothing.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto/secret.h"
#include "proto/keyfile.h"
#include "proto/keytext.h"

static const char plain[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACDjieCc52Sqf9fwQHmbahtnoKUfqOBYtbukkHNpJBUmbwAAAJAkOAIaJDgC\n"
    "GgAAAAtzc2gtZWQyNTUxOQAAACDjieCc52Sqf9fwQHmbahtnoKUfqOBYtbukkHNpJBUmbw\n"
    "AAAED9yw16tMDYloL0mD/VkrS4JN1rzRNvJ6WtiT42VZDDOeOJ4JznZKp/1/BAeZtqG2eg\n"
    "pR+o4Fi1u6SQc2kkFSZvAAAADWFsaWNlQGV4YW1wbGU=\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static const char plain_public[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOOJ4JznZKp/1/BAeZtqG2egpR+o4Fi1u6SQc2kkFSZv";

/* passphrase "secret" */
static const char encrypted[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBcY3m7GE\n"
    "Bps+4CIDU5HZ6BAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIHzRONJA7L2Yybhk\n"
    "VOGYhib9CE9E6d0t6WIw9YWV3wy/AAAAkCA7okBUnKDJyTX/0N0wyn1642h72p12UbyHce\n"
    "AA8HcHWcCLr268U7uH6kZXeXhHmyD5s3QC/kPod2ZUZTkrvhPx5sWrdaRt7KJRIcqDxRD/\n"
    "sflKX6ZTsGHlXXSELCWCYwxTcpRC1z+3GvlQTiT0rDSTCG72XcD3oh45ysNIUdyJqYdb1R\n"
    "fTtH1WA6BEAdjnJw==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static const char encrypted_public[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHzRONJA7L2YybhkVOGYhib9CE9E6d0t6WIw9YWV3wy/";

static const char ecdsa[] =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n"
    "1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQSfrH617gYEecxdDYBd1pXwlS6zkLyV\n"
    "Bu/90HWgWlkNobUnwMZCnWa+MHrTo5TK+hgH3WZRsJCXnlK77EsNGlYRAAAAmCJIFugiSB\n"
    "boAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ+sfrXuBgR5zF0N\n"
    "gF3WlfCVLrOQvJUG7/3QdaBaWQ2htSfAxkKdZr4wetOjlMr6GAfdZlGwkJeeUrvsSw0aVh\n"
    "EAAAAgRvST3yGOFdOY5Jhl9DOmvcRAgmfq2lPU1SFGMIZP1IAAAAAA\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

static struct keyfile file;

static enum keyfile_result parse(const char *text)
{
    return keyfile_parse(text, strlen(text), &file);
}

static void check_public(const char *want)
{
    char line[KEYTEXT_LINE_SIZE];

    cr_assert_gt(keytext_write((struct slice){file.blob, file.blob_len}, NULL, line, sizeof(line)),
                 0);
    cr_assert_str_eq(line, want);
}

Test(keyfile, reads_ssh_keygen)
{
    uint8_t signature[SIGN_LEN];

    cr_assert_eq(parse(plain), KEYFILE_OK);
    cr_assert_str_eq(file.comment, "alice@example");
    check_public(plain_public);
    sign_make(&file.key, "text", 4, signature);
    cr_assert(sign_verify(keytext_to_ed25519((struct slice){file.blob, file.blob_len}), "text", 4,
                          signature));
}

Test(keyfile, line_ends)
{
    char text[2 * sizeof(plain)];
    size_t len = 0;

    for (size_t i = 0; i < sizeof(plain) - 1; i++) {
        if (plain[i] == '\n') {
            text[len++] = '\r';
        }
        text[len++] = plain[i];
    }
    cr_assert_eq(keyfile_parse(text, len, &file), KEYFILE_OK);
    /* without the last line end */
    cr_assert_eq(keyfile_parse(plain, sizeof(plain) - 2, &file), KEYFILE_OK);
}

Test(keyfile, encrypted)
{
    cr_assert_eq(parse(encrypted), KEYFILE_ENCRYPTED);
    check_public(encrypted_public);
}

Test(keyfile, other_type)
{
    cr_assert_eq(parse(ecdsa), KEYFILE_OTHER_TYPE);
    cr_assert(
        slice_is(keytext_type((struct slice){file.blob, file.blob_len}), "ecdsa-sha2-nistp256"));
}

Test(keyfile, other_forms)
{
    cr_assert_eq(parse("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"), KEYFILE_OTHER_FORM);
    cr_assert_eq(parse("-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIE"), KEYFILE_OTHER_FORM);
    cr_assert_eq(parse("PuTTY-User-Key-File-3: ssh-ed25519\n"), KEYFILE_OTHER_FORM);
    cr_assert_eq(parse(plain_public), KEYFILE_PUBLIC);
    cr_assert_eq(parse("-----BEGIN CERTIFICATE-----\n"), KEYFILE_NO_KEY);
    cr_assert_eq(parse("-----BEGIN "), KEYFILE_NO_KEY);
    cr_assert_eq(parse("hello"), KEYFILE_NO_KEY);
    cr_assert_eq(parse(""), KEYFILE_NO_KEY);
    for (int i = KEYFILE_OK; i <= KEYFILE_DAMAGED; i++) {
        cr_assert_gt(strlen(keyfile_text((enum keyfile_result)i)), 0);
    }
}

Test(keyfile, every_truncation_of_the_text)
{
    static const char end[] = "-----END OPENSSH PRIVATE KEY-----\n";

    for (size_t cut = 0; cut < sizeof(plain) - 2; cut++) {
        char *copy = malloc(cut + 1);
        enum keyfile_result result;

        memcpy(copy + 1, plain, cut);
        result = keyfile_parse(copy + 1, cut, &file);
        cr_assert(result == KEYFILE_DAMAGED || (cut < 35 && result == KEYFILE_NO_KEY), "cut %zu",
                  cut);
        free(copy);
    }
    /* with the end mark in place, only the base64 shorter */
    for (size_t cut = 35; cut < sizeof(plain) - sizeof(end) - 1; cut++) {
        char text[sizeof(plain) + sizeof(end)];

        memcpy(text, plain, cut);
        memcpy(text + cut, end, sizeof(end));
        cr_assert_eq(parse(text), KEYFILE_DAMAGED, "cut %zu", cut);
    }
}

/* The binary form of plain, and back to text with a change. */
static size_t binary_of(uint8_t *binary, size_t size)
{
    size_t len;
    const char *end = strstr(plain, "-----END");

    cr_assert(encode_base64_decode(plain + 36, (size_t)(end - plain) - 36, binary, size, &len));
    return len;
}

static enum keyfile_result parse_binary(const uint8_t *binary, size_t len)
{
    char text[2048] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";

    encode_base64(binary, len, true, text + strlen(text));
    strcat(text, "\n-----END OPENSSH PRIVATE KEY-----\n");
    return parse(text);
}

Test(keyfile, every_truncation_and_flip_of_the_binary)
{
    uint8_t binary[512];
    size_t len = binary_of(binary, sizeof(binary));

    cr_assert_eq(parse_binary(binary, len), KEYFILE_OK);
    for (size_t cut = 0; cut < len; cut++) {
        cr_assert_eq(parse_binary(binary, cut), KEYFILE_DAMAGED, "cut %zu", cut);
    }
    for (size_t at = 0; at < len; at++) {
        enum keyfile_result result;

        binary[at] ^= 1;
        result = parse_binary(binary, len);
        /* a changed comment is no damage that can be seen, another cipher's or type's name is not
         * ours to judge */
        cr_assert(result != KEYFILE_OK || strcmp(file.comment, "alice@example") != 0, "at %zu", at);
        if (result != KEYFILE_OK) {
            struct sign_key none = {0};

            cr_assert_arr_eq(&file.key, &none, sizeof(none), "secret left behind at %zu", at);
        }
        binary[at] ^= 1;
    }
    binary[len] = 1;
    cr_assert_eq(parse_binary(binary, len + 1), KEYFILE_DAMAGED);
}

Test(keyfile, too_long)
{
    size_t size = KEYFILE_TEXT_MAX + sizeof(plain);
    char *text = malloc(size);

    memset(text, '\n', size);
    memcpy(text, plain, sizeof(plain) - 1);
    cr_assert_eq(keyfile_parse(text, KEYFILE_TEXT_MAX, &file), KEYFILE_OK);
    cr_assert_eq(keyfile_parse(text, KEYFILE_TEXT_MAX + 1, &file), KEYFILE_DAMAGED);
    free(text);
}

Test(keyfile, writes_and_reads_back)
{
    struct entropy_seeded state;
    struct entropy entropy = entropy_seeded(&state, 7);
    char text[KEYFILE_WRITE_SIZE];
    char comment[KEYFILE_COMMENT_MAX + 10];
    struct sign_key key;

    /* every padding length, and the longest comment */
    for (size_t len = 0; len < sizeof(comment); len += len < 20 ? 1 : 333) {
        size_t text_len;

        memset(comment, 'c', len);
        comment[len] = 0;
        sign_key_make(&entropy, &key);
        text_len = keyfile_write(&key, comment, &entropy, text);
        cr_assert_eq(text_len, strlen(text));
        cr_assert_eq(keyfile_parse(text, text_len, &file), KEYFILE_OK);
        cr_assert_arr_eq(&file.key, &key, sizeof(key));
        comment[KEYFILE_COMMENT_MAX] = 0;
        cr_assert_str_eq(file.comment, comment);
    }
    memset(comment, 'c', sizeof(comment) - 1);
    comment[sizeof(comment) - 1] = 0;
    cr_assert_eq(parse((keyfile_write(&key, comment, &entropy, text), text)), KEYFILE_OK);
    cr_assert_eq(strlen(file.comment), KEYFILE_COMMENT_MAX);
}

/* The same key and check bytes give the very file that ssh-keygen wrote. */
static void fill_check(void *ctx, void *ret_bytes, size_t len)
{
    (void)ctx;
    cr_assert_eq(len, 4);
    memcpy(ret_bytes, "\x24\x38\x02\x1a", 4);
}

Test(keyfile, writes_what_ssh_keygen_writes)
{
    struct entropy entropy = {fill_check, NULL};
    char text[KEYFILE_WRITE_SIZE];

    cr_assert_eq(parse(plain), KEYFILE_OK);
    keyfile_write(&file.key, file.comment, &entropy, text);
    cr_assert_str_eq(text, plain);
}

Test(keyfile, odd_comments_are_dropped)
{
    struct entropy_seeded state;
    struct entropy entropy = entropy_seeded(&state, 8);
    char text[KEYFILE_WRITE_SIZE];
    struct sign_key key;

    sign_key_make(&entropy, &key);
    keyfile_write(&key, "a\033[2Jb", &entropy, text);
    cr_assert_eq(parse(text), KEYFILE_OK);
    cr_assert_str_eq(file.comment, "");
}
