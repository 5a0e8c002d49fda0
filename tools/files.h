/*
 * Small files read whole, with a bound, and never in a way that could block.
 */
#ifndef CULVERT_TOOLS_FILES_H
#define CULVERT_TOOLS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct files_content {
    /* len bytes and a NUL */
    char *text;
    size_t len;
    struct stat status;
};

/*
 * 0, or a negative errno: -EISDIR for a folder, -EINVAL for what is no regular file (the null
 * device reads as empty), -EFBIG for more than max bytes.
 */
__attribute__((warn_unused_result)) int files_read(const char *path, size_t max,
                                                   struct files_content *ret_content);
/* Wipes and frees. Harmless for a content that was never read when it is all zero. */
void files_free(struct files_content *content);

/* What a negative errno of files_read means to a user. */
const char *files_text(int error);

/*
 * OpenSSH's rule for private keys: a file of ours that others may look into is not used. False
 * with the warning's words in ret_why.
 */
__attribute__((warn_unused_result)) bool files_private(const struct files_content *content,
                                                       const char *path, char *ret_why,
                                                       size_t why_len);

/*
 * Writes a new file with that mode, whole or not at all. -EEXIST when one is there already, which
 * then is left as it is; otherwise 0 or a negative errno.
 */
__attribute__((warn_unused_result)) int files_make(const char *path, const char *text, size_t len,
                                                   mode_t mode);

#endif
