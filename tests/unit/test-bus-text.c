/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "base/fd-util.h"
#include "protocol/bus-text.h"
#include "test.h"

TEST(replaced) {
        static const struct {
                const char *text;
                const char *expected; /* NULL: it stays */
        } table[] = {
                { "", NULL },
                { "plain", NULL },
                { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", NULL },
                { "\xef\xb7\x8f\xef\xb7\xb0", NULL }, /* U+FDCF, U+FDF0 */
                { "\xef\xbf\xbd", NULL },             /* U+FFFD itself */
                { "a\xef\xbf\xbf", "a\xef\xbf\xbd" },
                { "\xef\xbf\xbez", "\xef\xbf\xbdz" },
                { "\xef\xb7\x90|\xef\xb7\xaf", "\xef\xbf\xbd|\xef\xbf\xbd" },
                { "\xf4\x8f\xbf\xbf", "\xef\xbf\xbd" },
                { "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
                { "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd" },
                { "\xed\xa0\x80x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *copy = NULL;
                const char *text = bus_text(table[i].text, &copy);

                ASSERT_EQ(bus_text_is_valid(table[i].text), !table[i].expected);
                if (!table[i].expected)
                        ASSERT_TRUE(text == table[i].text && !copy);
                else
                        ASSERT_STREQ(text, table[i].expected);
        }
        ASSERT_NULL(bus_text(NULL, NULL));
}

static void encode(char buffer[static 5], uint32_t c) {
        unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

        buffer[n] = 0;
        for (unsigned i = n; i-- > 1; c >>= 6)
                buffer[i] = (char) (0x80 | (c & 0x3f));
        buffer[0] = (char) (lead[n] | c);
}

/* A connection that has nobody at its other end: messages can be made. */
static sd_bus *new_bus(int fd) {
        sd_bus *bus = NULL;

        ASSERT_OK(sd_bus_new(&bus));
        ASSERT_OK(sd_bus_set_fd(bus, fd, fd));
        ASSERT_OK(sd_bus_set_anonymous(bus, true));
        ASSERT_OK(sd_bus_start(bus));
        return bus;
}

TEST(what_the_library_takes) {
        static const uint32_t places[] = { 0x0001, 0x007f, 0x0080, 0x07ff, 0x0800, 0xd7ff,
                                           0xd800, 0xdfff, 0xe000, 0xfdcf, 0xfdd0, 0xfdd8,
                                           0xfdef, 0xfdf0, 0xfffd, 0xfffe, 0xffff };
        int pair[2];

        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
        _cleanup_close_ int other = pair[1];
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = new_bus(pair[0]);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        ASSERT_OK(sd_bus_message_new_signal(bus, &m, "/a", "a.b", "C"));

        for (uint32_t plane = 0; plane <= 0x10; plane++)
                for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                        _cleanup_free_ char *copy = NULL;
                        char text[5];

                        encode(text, plane << 16 | places[i]);
                        ASSERT_OK(sd_bus_message_append(m, "s", bus_text(text, &copy)));
                }
        ASSERT_LT(sd_bus_message_append(m, "s", "\xff"), 0);
}
