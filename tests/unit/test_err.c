/*
 * proto/err: no fault without a name, a sentence and the right goodbye.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "proto/err.h"

Test(err, every_fault_is_named_once)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *name = err_name((enum err)i);
        const char *text = err_text((enum err)i);

        cr_assert(name && name[0], "no name for %d", i);
        cr_assert(text && text[0], "no text for %s", name);
        cr_assert_neq(text[strlen(text) - 1], '.', "full stop in %s", name);
        cr_assert_null(strchr(name, ' '), "blank in %s", name);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(name, err_name((enum err)j));
        }
    }
}

Test(err, reasons)
{
    cr_assert_eq(err_reason(ERR_MAC), DISCONNECT_MAC_ERROR);
    cr_assert_eq(err_reason(ERR_NO_COMMON), DISCONNECT_KEY_EXCHANGE_FAILED);
    cr_assert_eq(err_reason(ERR_HOSTKEY), DISCONNECT_HOST_KEY_NOT_VERIFIABLE);
    cr_assert_eq(err_reason(ERR_EOF), 0);
    cr_assert_eq(err_reason(ERR_OK), 0);
}
