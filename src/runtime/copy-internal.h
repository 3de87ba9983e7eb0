/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How copy.h is done. Private to copy*.c.
 *
 * The source is walked directory by directory, each opened anew by its path below SRC, without following a
 * symlink. So no fds pile up however deep the tree is, nothing recurses, and what is renamed meanwhile cannot
 * lead elsewhere. A directory's entries are taken in batches: in one turn as the client up to COPY_BATCH of
 * them are listed and opened, then, as ourselves again, they are copied. Twenty thousand files cost a few
 * hundred turns and not forty thousand.
 *
 * Of many small files most of the time goes into system calls, half of them with the new file open: those are
 * made by a second thread, which fills one batch of files while the next is listed and created.
 *
 * The destination's directories are opened by their path in its root, symlinks followed inside of it. A new
 * directory is made when its parent is gone through and filled later, so that a directory's own times can be
 * set as soon as its listing ends.
 *
 *     copy.c         SRC and DEST: what is to land where
 *     copy-tree.c    the walk
 *     copy-entry.c   one file, link or node
 *     copy-filler.c  the second thread
 *     copy-data.c    a file's content
 *     copy-attr.c    owner, mode, attributes, times
 *     copy-links.c   which inodes have been copied where */

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/fd-util.h"
#include "runtime/copy.h"

/* Entries that are opened in one turn, and batches under way: twice so many fds as entries, for each has a
 * new file, are open beside a handful. */
#define COPY_BATCH 64
#define COPY_BATCHES 2

/* It is left to the second thread to fill files of up to so many bytes, so that all larger ones are told of
 * and can be cancelled as they grow, and where there are so many of them that waking it is worth while. */
#define COPY_LEAVE_MAX ((off_t) KIB(256))
#define COPY_LEAVE_MIN 8U

/* A name in the way is removed so often, if somebody makes it anew each time. */
#define COPY_TRIES 16

typedef struct CopyBatch CopyBatch;
typedef struct CopyEntry CopyEntry;
typedef struct CopyFiller CopyFiller;
typedef struct CopyLinks CopyLinks;

typedef struct CopyInode {
        dev_t device;
        ino_t inode;
} CopyInode;

/* A directory that is still to be gone through. */
typedef struct CopyPending {
        char *path;   /* below SRC, "" for SRC itself; owned */
        bool created; /* its counterpart is new and has to get its attributes */
} CopyPending;

typedef struct Copy {
        const CopySource *source;
        const CopyDestination *destination;
        CopyProgress progress;
        void *userdata;
        CopyStatistics *statistics;

        const char *name;   /* SRC in messages */
        int source_fd;      /* SRC itself, O_PATH, owned */
        CopyBatch *batches; /* COPY_BATCHES of them, owned */
        unsigned batch;     /* that is the walk's */
        CopyFiller *filler; /* NULL until it is needed */
        CopyPending *pending;
        size_t n_pending, n_allocated;
        uint64_t pending_bytes; /* of their paths */
        CopyLinks *links;
        uint64_t n_seen;

        CopyInode avoid[2]; /* directories that are never gone into: the destination, and where it is written
                               to */
        unsigned n_avoid;
        dev_t harmless; /* the device last seen to judge no readers */

        char *buffer;    /* COPY_BUFFER bytes, owned, made when needed */
        bool no_offload; /* copy_file_range(2) does not work between these */
} Copy;

/* One pair of directories. */
typedef struct CopyDirectory {
        const char *source_path; /* in messages */
        const char *dest_path;   /* in the destination's root, and in messages */
        int dest_fd;
        bool leave; /* its small files are to be filled later */
} CopyDirectory;

/* One thing in it that is not a directory, opened or read as the client. */
struct CopyEntry {
        char name[NAME_MAX + 1]; /* in the destination, and in the source unless source_name says otherwise */
        const char *source_name; /* the whole name in messages, or NULL; borrowed */
        unsigned char type;      /* DT_ */
        int r;                   /* what opening it gave: 0 or a negative errno */
        struct stat st;
        int fd;       /* a regular file, owned */
        int out;      /* its copy, where that is still to be filled, owned */
        char *target; /* of a symlink, owned */
};

/* Some entries of a directory. */
struct CopyBatch {
        char *source_path, *dest_path; /* of the directory, owned */
        CopyEntry entries[COPY_BATCH];
        size_t n;
};

void copy_batch_clear(CopyBatch *batch);

void copy_entry_clear(CopyEntry *entry);

/* Fills in r, st and fd or target of an entry whose name and type are set, by openat(2) and so on in the
 * directory. In a turn as the client, therefore without words. */
void copy_entry_open(int dir_fd, CopyEntry *entry);

/* Makes an opened entry in the destination. A socket makes nothing. A file that is left to be filled has its
 * `out` set. */
int copy_entry(Copy *copy, const CopyDirectory *directory, CopyEntry *entry, Error *error);

/* A new file's content and attributes. *ret_st (may be NULL) is as of copy_attributes(). */
int copy_fill(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, int out,
              struct stat *ret_st, Error *error);

/* Hands the walk's batch on and gives the walk another one, once it has been filled. What has failed in the
 * thread since is an error here. */
int copy_filler_submit(Copy *copy, Error *error);

/* Waits until all is filled. */
int copy_filler_finish(Copy *copy, Error *error);

/* Ends the thread, whatever is left. Takes NULL. */
CopyFiller *copy_filler_free(CopyFiller *filler);

/* Copies what is in `source_fd`, a directory, into the directory DEST, which is there. */
int copy_walk(Copy *copy, bool created, Error *error);

/* Whether an open file or directory lies where files judge each reader: 1 or 0, or a negative errno. */
int copy_is_judging(Copy *copy, int fd, const struct stat *st);

/* After each entry and each MiB or so. */
int copy_report(Copy *copy, Error *error);

/* A path and one below it, which may be empty, in new memory. */
char *copy_join(const char *path, const char *below);

/* The paths of an entry, in new memory or NULL: in messages; in the destination's root and in messages. */
char *copy_source_words(const CopyDirectory *directory, const CopyEntry *entry);
char *copy_dest_words(const CopyDirectory *directory, const CopyEntry *entry);

/* The content of a regular file, up to the size it had when it was opened. */
int copy_data(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, int out, Error *error);

/* Owner, mode and extended attributes, in the order in which none undoes another; for regular files and
 * directories. *ret_st (may be NULL) is what the new one was before its times were set. */
int copy_attributes(const Copy *copy, int in, const struct stat *st, int out, struct stat *ret_st);

/* Who a copy is to belong to. */
uid_t copy_uid(const Copy *copy, const struct stat *st) _pure_;
gid_t copy_gid(const Copy *copy, const struct stat *st) _pure_;

/* Inodes with more than one name that have been copied. */
CopyLinks *copy_links_new(void);
CopyLinks *copy_links_free(CopyLinks *links);
const char *copy_links_find(const CopyLinks *links, CopyInode source, CopyInode *ret_copy);

/* Remembers, replacing what is known of the inode. The path is copied. -ENOMEM. */
int copy_links_add(CopyLinks *links, CopyInode source, CopyInode copy, const char *path);

static inline CopyInode copy_inode(const struct stat *st) {
        return (CopyInode) { .device = st->st_dev, .inode = st->st_ino };
}

static inline bool copy_inode_equal(CopyInode a, CopyInode b) {
        return a.device == b.device && a.inode == b.inode;
}
