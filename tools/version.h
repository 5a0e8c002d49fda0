/*
 * Who we are: the version, and what this machine offers.
 */
#ifndef CULVERT_TOOLS_VERSION_H
#define CULVERT_TOOLS_VERSION_H

#include <stdio.h>

/* behind "SSH-2.0-" */
#define VERSION_SOFTWARE "culvert_0.1"

/* the build knows it from the project's one place */
#ifdef CULVERT_VERSION
#define VERSION_NUMBER CULVERT_VERSION
#else
#define VERSION_NUMBER "0.1.0"
#endif

/* One line: "culvert 0.1.0, libsodium 1.0.18 (aes-ni), io_uring available". Starts the crypto
 * provider. */
void version_print(FILE *file, const char *program);

#endif
