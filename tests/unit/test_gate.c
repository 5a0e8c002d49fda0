/*
 * proto/gate: both roles, each phase, all 256 numbers, against a table written from the RFCs and
 * not from the code.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "proto/gate.h"

/* One line for each phase: what is taken, what is dropped; the rest by the rules below. */
struct expected {
    const char *take;
    const char *drop;
};

/* RFC 4253 12, RFC 8308 2.4: numbers of the transport that are legal at any time once keys are
 * there: 1 DISCONNECT, 4 DEBUG; 2 IGNORE and 3 UNIMPLEMENTED mean nothing. */
static const struct expected server[GATE_PHASES] = {
    [GATE_KEXINIT] = {"1 20", ""},
    [GATE_KEX] = {"1 30", ""},
    [GATE_NEWKEYS] = {"1 21", ""},
    [GATE_SERVICE] = {"1 4 5 7 20", "2 3"},
    [GATE_AUTH] = {"1 4 7 20 50", "2 3"},
    [GATE_OPEN] = {"1 4 20 80 81 82 90 91 92 93 94 95 96 97 98 99 100 192 193", "2 3 50"},
    [GATE_REKEY] = {"1 4 30", "2 3"},
    [GATE_RENEW] = {"1 4 21", "2 3"},
};

static const struct expected client[GATE_PHASES] = {
    [GATE_KEXINIT] = {"1 20", ""},
    [GATE_KEX] = {"1 31", ""},
    [GATE_NEWKEYS] = {"1 21", ""},
    [GATE_SERVICE] = {"1 4 6 7 20", "2 3"},
    [GATE_AUTH] = {"1 4 7 20 51 52 53 60", "2 3"},
    [GATE_OPEN] = {"1 4 20 80 81 82 90 91 92 93 94 95 96 97 98 99 100 192 193", "2 3"},
    [GATE_REKEY] = {"1 4 31", "2 3"},
    [GATE_RENEW] = {"1 4 21", "2 3"},
};

static bool listed(const char *list, int number)
{
    char *end;
    for (const char *at = list; *at != '\0'; at = *end == ' ' ? end + 1 : end) {
        if (strtol(at, &end, 10) == number) {
            return true;
        }
    }
    return false;
}

/* Numbers nobody gave a meaning that we know: they get UNIMPLEMENTED where the peer is settled. */
static bool unassigned(int number, bool open)
{
    bool connection_unused = open && number > 100 && number <= 127;
    return (number >= 8 && number <= 19) || (number >= 22 && number <= 29) || connection_unused ||
           (number >= 128 && number != 192 && number != 193);
}

static enum gate expect(const struct expected *row, enum gate_phase phase, int number)
{
    bool first = phase == GATE_KEXINIT || phase == GATE_KEX || phase == GATE_NEWKEYS;
    bool settled = phase == GATE_SERVICE || phase == GATE_AUTH || phase == GATE_OPEN;
    if (listed(row->take, number)) {
        return GATE_TAKE;
    }
    if (listed(row->drop, number)) {
        return GATE_DROP;
    }
    if (first && number >= 2 && number <= 4) {
        return GATE_LENIENT;
    }
    return settled && unassigned(number, phase == GATE_OPEN) ? GATE_UNKNOWN : GATE_REFUSE;
}

Test(gate, every_number_in_every_phase)
{
    for (int phase = 0; phase < GATE_PHASES; phase++) {
        for (int number = 0; number < 256; number++) {
            cr_assert_eq(gate_judge(SESSION_SERVER, (enum gate_phase)phase, (uint8_t)number),
                         expect(&server[phase], (enum gate_phase)phase, number), "server, %s, %d",
                         gate_phase_name((enum gate_phase)phase), number);
            cr_assert_eq(gate_judge(SESSION_CLIENT, (enum gate_phase)phase, (uint8_t)number),
                         expect(&client[phase], (enum gate_phase)phase, number), "client, %s, %d",
                         gate_phase_name((enum gate_phase)phase), number);
        }
    }
}

Test(gate, phases_have_names_of_their_own)
{
    for (int a = 0; a < GATE_PHASES; a++) {
        for (int b = 0; b < a; b++) {
            cr_assert_str_neq(gate_phase_name((enum gate_phase)a),
                              gate_phase_name((enum gate_phase)b));
        }
    }
}
