/*
 * Host keys: made, read again, refused.
 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/provider.h"
#include "proto/keyfile.h"
#include "tools/hostkey.h"

static char folder[64];
static char path[128];
static struct hostkey hostkey;
static char why[512];
static const struct keyword_words none;

static void start(void)
{
    cr_assert(provider_start());
    snprintf(folder, sizeof folder, "/tmp/test_hostkey.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
}

static void finish(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(hostkey, .init = start, .fini = finish);

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(chmod(path, mode), 0);
}

static void write_key(mode_t mode)
{
    struct entropy entropy = entropy_system();
    struct sign_key key;
    char text[KEYFILE_WRITE_SIZE];
    sign_key_make(&entropy, &key);
    cr_assert(keyfile_write(&key, "test", &entropy, text) > 0);
    write_file(text, mode);
}

Test(hostkey, explicit_file_signs)
{
    struct keyword_words files = {{path}, 1};
    struct broker_request *request = calloc(1, sizeof *request);
    struct broker_reply *reply = calloc(1, sizeof *reply);
    write_key(0600);
    cr_assert(hostkey_open(&hostkey, &files, true, why, sizeof why), "%s", why);
    cr_assert_str_eq(hostkey.path, path);
    request->blob_len = 32;
    memset(request->blob, 7, 32);
    hostkey_sign(&hostkey, request, reply);
    cr_assert(reply->allowed && reply->error == 0);
    const uint8_t *signature =
        keytext_signature_to_ed25519((struct slice){reply->blob, reply->blob_len});
    cr_assert_not_null(signature);
    cr_assert(sign_verify(hostkey.key.public, request->blob, 32, signature));
    request->blob_len = 0;
    hostkey_sign(&hostkey, request, reply);
    cr_assert(reply->error < 0);
    free(request);
    free(reply);
    hostkey_wipe(&hostkey);
    for (size_t i = 0; i < sizeof hostkey.key.seed; i++) {
        cr_assert_eq(hostkey.key.seed[i], 0);
    }
}

Test(hostkey, missing_explicit_file_is_an_error)
{
    struct keyword_words files = {{path}, 1};
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
    cr_assert_not_null(strstr(why, "No such file"));
    cr_assert_neq(access(path, F_OK), 0, "nothing was made");
}

Test(hostkey, open_modes_and_damage_are_refused)
{
    struct keyword_words files = {{path}, 1};
    write_key(0644);
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
    cr_assert_not_null(strstr(why, "Permissions 0644"));
    write_file("no key at all\n", 0600);
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
    write_file("", 0600);
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
    files.at[0] = folder;
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
    files.at[0] = "%x";
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
}

Test(hostkey, other_types_are_skipped)
{
    struct keyword_words files = {{"/tmp", path}, 2};
    char rsa[160];
    char command[512];
    snprintf(rsa, sizeof rsa, "%s/rsa", folder);
    snprintf(command, sizeof command, "ssh-keygen -q -t ecdsa -N '' -f '%s'", rsa);
    if (system(command) != 0) {
        cr_skip_test("no ssh-keygen here");
    }
    write_key(0600);
    files.at[0] = rsa;
    cr_assert(hostkey_open(&hostkey, &files, true, why, sizeof why), "%s", why);
    cr_assert_str_eq(hostkey.path, path);
    files.count = 1;
    cr_assert_not(hostkey_open(&hostkey, &files, true, why, sizeof why));
    hostkey_wipe(&hostkey);
}

Test(hostkey, default_is_made_once)
{
    if (geteuid() == 0) {
        cr_skip_test("root's default is outside of the test's folder");
    }
    struct stat status;
    struct hostkey again;
    setenv("XDG_CONFIG_HOME", folder, 1);
    snprintf(path, sizeof path, "%s/culvert/ssh_host_ed25519_key", folder);
    cr_assert(hostkey_open(&hostkey, &none, false, why, sizeof why));
    cr_assert_neq(access(path, F_OK), 0, "checking makes nothing");
    cr_assert(hostkey_open(&hostkey, &none, true, why, sizeof why), "%s", why);
    cr_assert_str_eq(hostkey.path, path);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    cr_assert(hostkey_open(&again, &none, true, why, sizeof why), "%s", why);
    cr_assert_arr_eq(again.blob, hostkey.blob, sizeof again.blob);
}
