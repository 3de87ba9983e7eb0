/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json-syntax.h"

#include <assert.h>
#include <string.h>

/* All functions on a text give a negative value at an error, with its words set and standing at its place. */
typedef struct Syntax {
        const char *text;
        size_t length;
        size_t at;
        const char *words; /* of the error */
        unsigned depth, depth_max;
        bool is_object[JSON_DEPTH_MAX]; /* what has been opened: an object, else an array */
} Syntax;

static int breach(Syntax *s, const char *words) {
        s->words = words;
        return -EINVAL;
}

/* The byte that is next, or -1 at the end. */
static int next(const Syntax *s) {
        return s->at < s->length ? (unsigned char) s->text[s->at] : -1;
}

static bool next_is_digit(const Syntax *s) {
        return next(s) >= '0' && next(s) <= '9';
}

static void skip_space(Syntax *s) {
        while (next(s) == ' ' || next(s) == '\t' || next(s) == '\r' || next(s) == '\n')
                s->at++;
}

static bool is_hexadecimal(int c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind the backslash. */
static int check_escape(Syntax *s) {
        int c = next(s);

        if (c <= 0 || !strchr("\"\\/bfnrtu", c))
                return breach(s, "unknown escape in a string");
        s->at++;
        for (unsigned i = 0; c == 'u' && i < 4; i++, s->at++)
                if (!is_hexadecimal(next(s)))
                        return breach(s, "\\u takes four hexadecimal digits");
        return 0;
}

/* Behind the opening quote. */
static int check_string(Syntax *s) {
        for (;;) {
                int c = next(s);

                if (c < 0x20)
                        return breach(s, "control character in a string");
                s->at++;
                if (c == '"')
                        return 0;
                if (c == '\\' && check_escape(s) < 0)
                        return -EINVAL;
        }
}

static int check_digits(Syntax *s) {
        if (!next_is_digit(s))
                return breach(s, "digit expected in a number");
        while (next_is_digit(s))
                s->at++;
        return 0;
}

static int check_number(Syntax *s) {
        if (next(s) == '-')
                s->at++;
        if (next(s) == '0')
                s->at++;
        else if (check_digits(s) < 0)
                return -EINVAL;
        if (next(s) == '.') {
                s->at++;
                if (check_digits(s) < 0)
                        return -EINVAL;
        }
        if (next(s) != 'e' && next(s) != 'E')
                return 0;
        s->at++;
        if (next(s) == '+' || next(s) == '-')
                s->at++;
        return check_digits(s);
}

static int check_word(Syntax *s, const char *word) {
        for (; *word; word++, s->at++)
                if (next(s) != *word)
                        return breach(s, "value expected");
        return 0;
}

/* A member's name and colon, where an object asks for one. */
static int check_name(Syntax *s) {
        skip_space(s);
        if (next(s) != '"')
                return breach(s, "name of a member expected");
        s->at++;
        if (check_string(s) < 0)
                return -EINVAL;
        skip_space(s);
        if (next(s) != ':')
                return breach(s, "\":\" expected");
        s->at++;
        return 1;
}

/* 1 when a value follows in it, 0 when it is empty and closed. */
static int open_container(Syntax *s, bool is_object) {
        if (s->depth >= s->depth_max)
                return breach(s, NULL);
        s->is_object[s->depth++] = is_object;
        s->at++;
        skip_space(s);
        if (next(s) != (is_object ? '}' : ']'))
                return is_object ? check_name(s) : 1;
        s->at++;
        s->depth--;
        return 0;
}

/* 1 when it was the start of an object or array whose first value follows, else 0. */
static int check_value(Syntax *s) {
        skip_space(s);
        switch (next(s)) {
        case '{':
                return open_container(s, true);
        case '[':
                return open_container(s, false);
        case '"':
                s->at++;
                return check_string(s);
        case 't':
                return check_word(s, "true");
        case 'f':
                return check_word(s, "false");
        case 'n':
                return check_word(s, "null");
        default:
                return next(s) == '-' || next_is_digit(s) ? check_number(s) : breach(s, "value expected");
        }
}

/* Closes what ends behind a value: 1 when another value follows, 0 at the end of all. */
static int check_end(Syntax *s) {
        while (s->depth > 0) {
                bool is_object = s->is_object[s->depth - 1];

                skip_space(s);
                if (next(s) == ',') {
                        s->at++;
                        return is_object ? check_name(s) : 1;
                }
                if (next(s) != (is_object ? '}' : ']'))
                        return breach(s, is_object ? "\",\" or \"}\" expected" : "\",\" or \"]\" expected");
                s->at++;
                s->depth--;
        }
        return 0;
}

static int check_text(Syntax *s) {
        int r;

        do {
                r = check_value(s);
                if (r == 0)
                        r = check_end(s);
        } while (r > 0);
        if (r < 0)
                return r;
        skip_space(s);
        return s->at < s->length ? breach(s, "data after the value") : 0;
}

int json_check_syntax(const char *text, size_t length, unsigned depth, Error *error) {
        Syntax s = { .text = text, .length = length, .depth_max = depth };

        assert(depth <= JSON_DEPTH_MAX);
        if (check_text(&s) >= 0)
                return 0;
        if (!s.words)
                return error_set(error, ERROR_INVALID_ARGUMENT, "nested deeper than %u levels", depth);
        if (s.at >= length)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "unexpected end of JSON input after %zu bytes", length);
        if (text[s.at] > ' ' && text[s.at] < 0x7f)
                return error_set(error, ERROR_INVALID_ARGUMENT, "invalid character '%c' at byte %zu: %s",
                                 text[s.at], s.at + 1, s.words);
        return error_set(error, ERROR_INVALID_ARGUMENT, "invalid JSON at byte %zu: %s", s.at + 1, s.words);
}
