/*
 * Says who we are.
 */
#include "tools/version.h"

#include "crypto/provider.h"
#include "engine/io.h"

void version_print(FILE *file, const char *program)
{
    char why[256] = "";
    int error = 0;
    const char *crypto = provider_start() ? provider_describe() : "crypto library unusable";
    struct io *io = io_make(IO_BACKEND_URING, &error, why, sizeof why);
    if (io != NULL) {
        fprintf(file, "%s %s, %s, io_uring available\n", program, VERSION_NUMBER, crypto);
        io_free(io);
    } else {
        fprintf(file, "%s %s, %s, io_uring not available (%s)\n", program, VERSION_NUMBER, crypto,
                why);
    }
}
