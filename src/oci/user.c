/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/user.h"

#include <ctype.h>
#include <string.h>

#include "base/string-util.h"

#define ROOT_NAME "root"
#define PASSWD_FIELDS 7
#define GROUP_FIELDS 4

/* A piece of the text of a file; not NUL-terminated. */
typedef struct Piece {
        const char *data;
        size_t length;
} Piece;

typedef struct PasswdEntry {
        Piece name;
        Piece home;
        uint32_t uid;
        uint32_t gid;
} PasswdEntry;

static bool piece_equal(Piece a, Piece b) {
        return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static Piece piece_of(const char *s) {
        return (Piece) { s, strlen(s) };
}

/* Cuts the text up to the delimiter off the front of the rest; false when nothing is left. */
static bool next_piece(Piece *rest, char delimiter, Piece *ret) {
        if (!rest->data)
                return false;

        const char *end = rest->length > 0 ? memchr(rest->data, delimiter, rest->length) : NULL;
        if (!end) {
                *ret = *rest;
                *rest = (Piece) {};
                return true;
        }
        *ret = (Piece) { rest->data, (size_t) (end - rest->data) };
        *rest = (Piece) { end + 1, rest->length - ret->length - 1 };
        return true;
}

static Piece piece_strip(Piece piece) {
        while (piece.length > 0 && isspace((unsigned char) piece.data[0]))
                piece = (Piece) { piece.data + 1, piece.length - 1 };
        while (piece.length > 0 && isspace((unsigned char) piece.data[piece.length - 1]))
                piece.length--;
        return piece;
}

static size_t split_line(Piece line, Piece fields[], size_t max) {
        size_t n = 0;

        line = piece_strip(line);
        if (line.length == 0 || line.data[0] == '#' || memchr(line.data, 0, line.length))
                return 0;
        while (n < max && next_piece(&line, ':', &fields[n]))
                n++;
        return n;
}

/* 0, -EINVAL for what is no number, -ERANGE for what no runtime takes as an id. */
static int parse_id(Piece piece, uint32_t *ret) {
        uint64_t value = 0;

        if (piece.length == 0)
                return -EINVAL;
        for (size_t i = 0; i < piece.length; i++) {
                if (!isdigit((unsigned char) piece.data[i]))
                        return -EINVAL;
                /* Keeps going, so that "99999999999x" is no number rather than a large one. */
                value = MIN(value * 10 + (uint64_t) (piece.data[i] - '0'), (uint64_t) UINT32_MAX);
        }
        if (value > USER_ID_MAX)
                return -ERANGE;
        *ret = (uint32_t) value;
        return 0;
}

static int id_out_of_range(const char *what, Piece id, Error *error) {
        return error_set(error, ERROR_INVALID_ARGUMENT, "%s %.*s is larger than %u", what,
                         (int) MIN(id.length, (size_t) USER_NAME_MAX), id.data, USER_ID_MAX);
}

/* The first entry of this name, or of this id where `name` is NULL: 1, 0 for none. */
static int find_passwd(Piece text, const Piece *name, uint32_t uid, PasswdEntry *ret, Error *error) {
        Piece line, fields[PASSWD_FIELDS];

        while (next_piece(&text, '\n', &line)) {
                size_t n = split_line(line, fields, PASSWD_FIELDS);
                PasswdEntry entry = { .name = fields[0] };
                if (n < 4 || (name && !piece_equal(fields[0], *name)))
                        continue;

                int u = parse_id(fields[2], &entry.uid), g = parse_id(fields[3], &entry.gid);
                if (u == -EINVAL || g == -EINVAL || (!name && (u < 0 || entry.uid != uid)))
                        continue;
                if (u < 0)
                        return id_out_of_range("uid", fields[2], error);
                if (g < 0)
                        return id_out_of_range("gid", fields[3], error);
                if (n > 5)
                        entry.home = fields[5];
                *ret = entry;
                return 1;
        }
        return 0;
}

/* The gid of a named group: 1, 0 for none. */
static int find_group(Piece text, Piece name, uint32_t *ret, Error *error) {
        Piece line, fields[GROUP_FIELDS];

        while (next_piece(&text, '\n', &line)) {
                if (split_line(line, fields, GROUP_FIELDS) < 3 || !piece_equal(fields[0], name))
                        continue;
                int r = parse_id(fields[2], ret);
                if (r == -ERANGE)
                        return id_out_of_range("gid", fields[2], error);
                if (r >= 0)
                        return 1;
        }
        return 0;
}

static bool list_contains(Piece list, Piece name) {
        Piece member;

        while (next_piece(&list, ',', &member))
                if (piece_equal(piece_strip(member), name))
                        return true;
        return false;
}

static int append_group(ImageUser *user, uint32_t gid, Error *error) {
        for (size_t i = 0; i < user->n_groups; i++)
                if (user->groups[i] == gid)
                        return 0;
        if (user->n_groups >= USER_GROUPS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the user is in more than %u groups",
                                 USER_GROUPS_MAX);
        uint32_t *grown = reallocarray(user->groups, user->n_groups + 1, sizeof(uint32_t));
        if (!grown)
                return error_oom(error);
        user->groups = grown;
        grown[user->n_groups++] = gid;
        return 0;
}

/* The groups that have the user on their list; the one of the user's own name is his primary one. */
static int append_memberships(ImageUser *user, Piece text, Piece name, Error *error) {
        Piece line, fields[GROUP_FIELDS];

        while (next_piece(&text, '\n', &line)) {
                uint32_t gid;

                if (split_line(line, fields, GROUP_FIELDS) < GROUP_FIELDS || piece_equal(fields[0], name) ||
                    !list_contains(fields[3], name))
                        continue;
                int r = parse_id(fields[2], &gid);
                if (r == -ERANGE)
                        return id_out_of_range("gid", fields[2], error);
                if (r < 0)
                        continue;
                r = append_group(user, gid, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int resolve_name(Piece name, Piece passwd, ImageUser *user, PasswdEntry *ret_entry, Error *error) {
        int r = parse_id(name, &user->uid);
        if (r == -ERANGE)
                return id_out_of_range("uid", name, error);
        bool by_name = r < 0;

        r = find_passwd(passwd, by_name ? &name : NULL, user->uid, ret_entry, error);
        if (r < 0)
                return r;
        if (r == 0 && by_name)
                return error_set(error, ERROR_NOT_FOUND, "no user \"%.*s\" in the image's /etc/passwd",
                                 (int) name.length, name.data);
        if (r > 0) {
                user->uid = ret_entry->uid;
                user->gid = ret_entry->gid;
        }
        return 0;
}

static int resolve_group(Piece name, Piece group, ImageUser *user, Error *error) {
        int r = parse_id(name, &user->gid);
        if (r == -ERANGE)
                return id_out_of_range("gid", name, error);
        if (r >= 0)
                return 0;
        r = find_group(group, name, &user->gid, error);
        if (r == 0)
                return error_set(error, ERROR_NOT_FOUND, "no group \"%.*s\" in the image's /etc/group",
                                 (int) name.length, name.data);
        return r;
}

static int resolve(const char *text, Piece passwd, Piece group, ImageUser *user, Error *error) {
        Piece rest = piece_of(text), name = {}, group_name = {};
        PasswdEntry entry = {};
        int r;

        next_piece(&rest, ':', &name);
        bool has_group = next_piece(&rest, ':', &group_name);
        if (rest.data || (has_group && group_name.length == 0) || name.length > USER_NAME_MAX ||
            group_name.length > USER_NAME_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "it is not of the form USER[:GROUP]");

        if (name.length == 0) {
                /* Root, whatever passwd says of 0; only its home and groups are looked up. */
                r = find_passwd(passwd, NULL, 0, &entry, NULL);
                entry.name = piece_of(ROOT_NAME);
        } else
                r = resolve_name(name, passwd, user, &entry, error);
        if (r < 0 && name.length > 0)
                return r;
        if (has_group) {
                r = resolve_group(group_name, group, user, error);
                if (r < 0)
                        return r;
        }
        if (entry.home.length > 0) {
                user->home = strndup(entry.home.data, entry.home.length);
                if (!user->home)
                        return error_oom(error);
        }
        r = append_group(user, user->gid, error);
        if (r < 0 || has_group || entry.name.length == 0)
                return r;
        return append_memberships(user, group, entry.name, error);
}

int image_user_resolve(const char *user, const char *passwd, size_t passwd_length, const char *group,
                       size_t group_length, ImageUser *ret, Error *error) {
        _cleanup_(image_user_clear) ImageUser resolved = {};

        if (passwd_length > USER_FILE_MAX || group_length > USER_FILE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the image's /etc/%s is larger than %llu bytes",
                                 passwd_length > USER_FILE_MAX ? "passwd" : "group",
                                 (unsigned long long) USER_FILE_MAX);
        int r = resolve(strempty(user), (Piece) { passwd, passwd ? passwd_length : 0 },
                        (Piece) { group, group ? group_length : 0 }, &resolved, error);
        if (r < 0)
                return error_prefix(error, r, "user \"%.*s\"", utf8_cut(strempty(user), USER_NAME_MAX),
                                    strempty(user));
        *ret = TAKE(resolved, (ImageUser) {});
        return 0;
}

void image_user_clear(ImageUser *user) {
        free(user->groups);
        free(user->home);
        *user = (ImageUser) {};
}
