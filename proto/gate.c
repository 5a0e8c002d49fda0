/*
 * The gate table. A number that no row names is refused while keys or identities are being settled
 * and answered with UNIMPLEMENTED afterwards (RFC 4253 11.4).
 */
#include "proto/gate.h"

#include <assert.h>
#include <stdbool.h>

#include "proto/msg.h"

struct row {
    uint8_t message;
    uint8_t verdict;
};

enum { ROWS_MAX = 24 };

#define DISCONNECT_ROW                                                                             \
    {                                                                                              \
        MSG_DISCONNECT, GATE_TAKE                                                                  \
    }
/* messages without meaning of their own, legal wherever strict key exchange doesn't forbid them */
#define IDLE_LENIENT_ROWS                                                                          \
    {MSG_IGNORE, GATE_LENIENT}, {MSG_UNIMPLEMENTED, GATE_LENIENT},                                 \
    {                                                                                              \
        MSG_DEBUG, GATE_LENIENT                                                                    \
    }
#define IDLE_ROWS                                                                                  \
    {MSG_IGNORE, GATE_DROP}, {MSG_UNIMPLEMENTED, GATE_DROP},                                       \
    {                                                                                              \
        MSG_DEBUG, GATE_TAKE                                                                       \
    }
#define OPEN_ROWS                                                                                  \
    {MSG_KEXINIT, GATE_TAKE}, {MSG_GLOBAL_REQUEST, GATE_TAKE}, {MSG_REQUEST_SUCCESS, GATE_TAKE},   \
        {MSG_REQUEST_FAILURE, GATE_TAKE}, {MSG_CHANNEL_OPEN, GATE_TAKE},                           \
        {MSG_CHANNEL_OPEN_CONFIRMATION, GATE_TAKE}, {MSG_CHANNEL_OPEN_FAILURE, GATE_TAKE},         \
        {MSG_CHANNEL_WINDOW_ADJUST, GATE_TAKE}, {MSG_CHANNEL_DATA, GATE_TAKE},                     \
        {MSG_CHANNEL_EXTENDED_DATA, GATE_TAKE}, {MSG_CHANNEL_EOF, GATE_TAKE},                      \
        {MSG_CHANNEL_CLOSE, GATE_TAKE}, {MSG_CHANNEL_REQUEST, GATE_TAKE},                          \
        {MSG_CHANNEL_SUCCESS, GATE_TAKE}, {MSG_CHANNEL_FAILURE, GATE_TAKE}, {MSG_PING, GATE_TAKE}, \
    {                                                                                              \
        MSG_PONG, GATE_TAKE                                                                        \
    }

static const struct row rows[2][GATE_PHASES][ROWS_MAX] =
    {
        [SESSION_SERVER] =
            {
                [GATE_KEXINIT] = {DISCONNECT_ROW, IDLE_LENIENT_ROWS, {MSG_KEXINIT, GATE_TAKE}},
                [GATE_KEX] = {DISCONNECT_ROW, IDLE_LENIENT_ROWS, {MSG_KEX_ECDH_INIT, GATE_TAKE}},
                [GATE_NEWKEYS] = {DISCONNECT_ROW, IDLE_LENIENT_ROWS, {MSG_NEWKEYS, GATE_TAKE}},
                [GATE_SERVICE] = {DISCONNECT_ROW,
                                  IDLE_ROWS,
                                  {MSG_KEXINIT, GATE_TAKE},
                                  {MSG_EXT_INFO, GATE_TAKE},
                                  {MSG_SERVICE_REQUEST, GATE_TAKE}},
                [GATE_AUTH] = {DISCONNECT_ROW,
                               IDLE_ROWS,
                               {MSG_KEXINIT, GATE_TAKE},
                               {MSG_EXT_INFO, GATE_TAKE},
                               {MSG_USERAUTH_REQUEST, GATE_TAKE}},
                /* a request behind the successful one is silently ignored (RFC 4252 5.1) */
                [GATE_OPEN] =
                    {DISCONNECT_ROW, IDLE_ROWS, OPEN_ROWS, {MSG_USERAUTH_REQUEST, GATE_DROP}},
                [GATE_REKEY] = {DISCONNECT_ROW, IDLE_ROWS, {MSG_KEX_ECDH_INIT, GATE_TAKE}},
                [GATE_RENEW] = {DISCONNECT_ROW, IDLE_ROWS, {MSG_NEWKEYS, GATE_TAKE}},
            },
        [SESSION_CLIENT] =
            {
                [GATE_KEXINIT] = {DISCONNECT_ROW, IDLE_LENIENT_ROWS, {MSG_KEXINIT, GATE_TAKE}},
                [GATE_KEX] = {DISCONNECT_ROW, IDLE_LENIENT_ROWS, {MSG_KEX_ECDH_REPLY, GATE_TAKE}},
                [GATE_NEWKEYS] = {DISCONNECT_ROW, IDLE_LENIENT_ROWS, {MSG_NEWKEYS, GATE_TAKE}},
                [GATE_SERVICE] = {DISCONNECT_ROW,
                                  IDLE_ROWS,
                                  {MSG_KEXINIT, GATE_TAKE},
                                  {MSG_EXT_INFO, GATE_TAKE},
                                  {MSG_SERVICE_ACCEPT, GATE_TAKE}},
                [GATE_AUTH] = {DISCONNECT_ROW,
                               IDLE_ROWS,
                               {MSG_KEXINIT, GATE_TAKE},
                               {MSG_EXT_INFO, GATE_TAKE},
                               {MSG_USERAUTH_FAILURE, GATE_TAKE},
                               {MSG_USERAUTH_SUCCESS, GATE_TAKE},
                               {MSG_USERAUTH_BANNER, GATE_TAKE},
                               {MSG_USERAUTH_PK_OK, GATE_TAKE}},
                [GATE_OPEN] = {DISCONNECT_ROW, IDLE_ROWS, OPEN_ROWS},
                [GATE_REKEY] = {DISCONNECT_ROW, IDLE_ROWS, {MSG_KEX_ECDH_REPLY, GATE_TAKE}},
                [GATE_RENEW] = {DISCONNECT_ROW, IDLE_ROWS, {MSG_NEWKEYS, GATE_TAKE}},
            },
};

/* Numbers that some phase takes: elsewhere they are out of order, not unknown. */
static bool known(uint8_t message)
{
    return (message >= MSG_DISCONNECT && message <= MSG_EXT_INFO) ||
           (message >= MSG_KEXINIT && message <= MSG_NEWKEYS) || (message >= 30 && message <= 49) ||
           (message >= MSG_USERAUTH_REQUEST && message <= 79) ||
           (message >= MSG_GLOBAL_REQUEST && message <= 127) || message == MSG_PING ||
           message == MSG_PONG;
}

enum gate gate_judge(enum session_role role, enum gate_phase phase, uint8_t message)
{
    assert(phase < GATE_PHASES);
    for (int i = 0; i < ROWS_MAX && rows[role][phase][i].message != 0; i++) {
        if (rows[role][phase][i].message == message) {
            return (enum gate)rows[role][phase][i].verdict;
        }
    }
    bool settled = phase == GATE_SERVICE || phase == GATE_AUTH || phase == GATE_OPEN;
    if (!settled || message == 0) {
        return GATE_REFUSE;
    }
    /* in OPEN the connection protocol's unused numbers are merely unknown; before it they are an
     * attempt to pass by the login */
    bool reserved = phase == GATE_OPEN && message > MSG_CHANNEL_FAILURE && message <= 127;
    return known(message) && !reserved ? GATE_REFUSE : GATE_UNKNOWN;
}

const char *gate_phase_name(enum gate_phase phase)
{
    static const char *const names[GATE_PHASES] = {
        [GATE_KEXINIT] = "KEXINIT", [GATE_KEX] = "KEX",     [GATE_NEWKEYS] = "NEWKEYS",
        [GATE_SERVICE] = "SERVICE", [GATE_AUTH] = "AUTH",   [GATE_OPEN] = "OPEN",
        [GATE_REKEY] = "REKEY",     [GATE_RENEW] = "RENEW",
    };
    assert(phase < GATE_PHASES);
    return names[phase];
}
