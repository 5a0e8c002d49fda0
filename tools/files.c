/*
 * Reads and makes key files and lists.
 */
#include "tools/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "tools/paths.h"

static bool is_null_device(const struct stat *status)
{
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 3);
}

/* All of fd into text, which has room for max + 1 bytes. A count or a negative errno. */
static ssize_t read_all(int fd, char *text, size_t max)
{
    size_t len = 0;
    while (len <= max) {
        ssize_t n = read(fd, text + len, max + 1 - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return (ssize_t)len;
        }
        len += (size_t)n;
    }
    return -EFBIG;
}

static int read_opened(int fd, size_t max, struct files_content *content)
{
    if (fstat(fd, &content->status) < 0) {
        return -errno;
    }
    if (S_ISDIR(content->status.st_mode)) {
        return -EISDIR;
    }
    if (!S_ISREG(content->status.st_mode) && !is_null_device(&content->status)) {
        return -EINVAL;
    }
    if (S_ISREG(content->status.st_mode) && content->status.st_size > (off_t)max) {
        return -EFBIG;
    }
    /* a file that grows while it is read is cut by the bound, not by what stat said */
    size_t room = (size_t)content->status.st_size + 4096;
    room = room < max ? room : max;
    content->text = malloc(room + 2);
    if (content->text == NULL) {
        return -ENOMEM;
    }
    ssize_t len = read_all(fd, content->text, room);
    if (len < 0) {
        secret_wipe(content->text, room + 2);
        free(content->text);
        content->text = NULL;
        return (int)len;
    }
    content->len = (size_t)len;
    content->text[len] = '\0';
    return 0;
}

int files_read(const char *path, size_t max, struct files_content *ret_content)
{
    memset(ret_content, 0, sizeof *ret_content);
    /* non-blocking: a FIFO put in the place of a file must not hang us */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    int error = read_opened(fd, max, ret_content);
    close(fd);
    return error;
}

void files_free(struct files_content *content)
{
    if (content->text != NULL) {
        secret_wipe(content->text, content->len);
        free(content->text);
        content->text = NULL;
    }
    content->len = 0;
}

const char *files_text(int error)
{
    switch (error) {
    case -EINVAL:
        return "Not a regular file";
    case -EFBIG:
        return "File too large";
    default:
        return strerror(-error);
    }
}

bool files_private(const struct files_content *content, const char *path, char *ret_why,
                   size_t why_len)
{
    const struct stat *status = &content->status;
    if (status->st_uid != getuid() || (status->st_mode & 077) == 0) {
        return true;
    }
    snprintf(ret_why, why_len,
             "Permissions 0%03o for '%s' are too open: a private key that others can read is not "
             "used; try: chmod 600 '%s'",
             (unsigned)(status->st_mode & 0777), path, path);
    return false;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -EIO;
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

int files_make(const char *path, const char *text, size_t len, mode_t mode)
{
    char draft[PATHS_MAX + 16];
    if (strlen(path) >= PATHS_MAX) {
        return -ENAMETOOLONG;
    }
    /* a draft that becomes the file by one link: nobody ever sees half of it, and of two makers
     * at once one loses with -EEXIST */
    snprintf(draft, sizeof draft, "%s.XXXXXX", path);
    int fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int error = fchmod(fd, mode) < 0 ? -errno : write_all(fd, text, len);
    close(fd);
    if (error == 0 && link(draft, path) < 0) {
        error = -errno;
    }
    unlink(draft);
    return error;
}
