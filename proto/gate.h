/*
 * Which message is legal when: one table, [role][phase][message], and nothing else decides it.
 *
 *     KEXINIT -> KEX -> NEWKEYS -> SERVICE -> AUTH -> OPEN         the first exchange, login, work
 *                                    ^         ^       ^
 *                                    +---------+-------+--> REKEY -> RENEW -> back to where it was
 *
 * The role is that of the reader: the server's rows say what a client may send.
 */
#ifndef CULVERT_PROTO_GATE_H
#define CULVERT_PROTO_GATE_H

#include <stdint.h>

#include "proto/session.h"

enum gate_phase {
    GATE_KEXINIT, /* first exchange: the peer's KEXINIT is awaited */
    GATE_KEX,     /* first exchange: its key share is awaited */
    GATE_NEWKEYS, /* first exchange: its NEWKEYS is awaited */
    GATE_SERVICE, /* server: SERVICE_REQUEST, client: SERVICE_ACCEPT is awaited */
    GATE_AUTH,
    GATE_OPEN,
    GATE_REKEY, /* the peer's KEXINIT has come again: its key share is awaited */
    GATE_RENEW, /* ... its NEWKEYS is awaited */
    GATE_PHASES,
};

enum gate {
    GATE_REFUSE,  /* ends the session */
    GATE_TAKE,    /* has a handler */
    GATE_DROP,    /* legal, and nothing to do */
    GATE_LENIENT, /* dropped, but under strict key exchange it ends the session */
    GATE_UNKNOWN, /* answered with UNIMPLEMENTED */
};

enum gate gate_judge(enum session_role role, enum gate_phase phase, uint8_t message);

/* For logs: "KEXINIT", "AUTH" ... */
const char *gate_phase_name(enum gate_phase phase);

#endif
