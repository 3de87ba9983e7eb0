/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/polkit.h"

#include "base/log.h"
#include "base/time-util.h"

/* A flag of CheckAuthorization(): somebody may be asked for a password. */
#define ALLOW_USER_INTERACTION UINT32_C(1)

/* As long as that may take. */
#define ASK_TIMEOUT_USEC (120 * USEC_PER_SEC)

typedef struct Question {
        PolkitCallback callback;
        void *userdata;
} Question;

static void free_question(void *userdata) {
        free(userdata);
}

/* (bba{ss}): authorised, challenge, details. */
static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *bus_error) {
        const Question question = *(Question *) userdata;
        int authorised = 0, challenge = 0, r;

        if (sd_bus_message_is_method_error(m, NULL)) {
                log_debug("polkit does not answer, which is a no: %s", sd_bus_message_get_error(m)->message);
                r = -EACCES;
        } else {
                r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
                if (r >= 0)
                        r = sd_bus_message_read(m, "bb", &authorised, &challenge);
        }
        question.callback(r < 0        ? POLKIT_NO
                          : authorised ? POLKIT_YES
                          : challenge  ? POLKIT_CHALLENGE
                                       : POLKIT_NO,
                          question.userdata);
        return 0;
}

/* The subject comes first, the rest is the same for all. */
static int finish_and_send(Bus *bus, sd_bus_message *m, Action action, bool interactive,
                           PolkitCallback callback, void *userdata, sd_bus_slot **slot) {
        static const char *const actions[_ACTION_MAX] = {
                [ACTION_INSPECT] = BUS_NAME ".inspect",
                [ACTION_BUILD] = BUS_NAME ".build",
                [ACTION_MANAGE] = BUS_NAME ".manage",
                [ACTION_EXEC] = BUS_NAME ".exec",
        };
        sd_bus_slot *s = NULL;
        int r;

        r = sd_bus_message_append(m, "sa{ss}us", actions[action], 0, interactive ? ALLOW_USER_INTERACTION : 0,
                                  "");
        if (r < 0)
                return r;
        _cleanup_free_ Question *question = new0(Question, 1);
        if (!question)
                return -ENOMEM;
        *question = (Question) { .callback = callback, .userdata = userdata };
        r = sd_bus_call_async(bus->bus, &s, m, on_answer, question, ASK_TIMEOUT_USEC);
        if (r >= 0)
                r = sd_bus_slot_set_destroy_callback(s, free_question);
        if (r < 0) {
                sd_bus_slot_unref(s);
                return r;
        }
        TAKE_PTR(question);
        *slot = s;
        return 0;
}

static int new_question(Bus *bus, sd_bus_message **ret) {
        if (!bus->bus)
                return -ENOTCONN;
        return sd_bus_message_new_method_call(bus->bus, ret, "org.freedesktop.PolicyKit1",
                                              "/org/freedesktop/PolicyKit1/Authority",
                                              "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
}

int polkit_ask_caller(Bus *bus, sd_bus_message *call, Action action, PolkitCallback callback, void *userdata,
                      sd_bus_slot **slot) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int interactive = sd_bus_message_get_allow_interactive_authorization(call);
        int r;

        r = new_question(bus, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})", "system-bus-name", 1, "name", "s",
                                          sd_bus_message_get_sender(call));
        return r < 0 ? r : finish_and_send(bus, m, action, interactive > 0, callback, userdata, slot);
}

int polkit_ask_peer(Bus *bus, const Peer *peer, Action action, PolkitCallback callback, void *userdata,
                    sd_bus_slot **slot) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (peer->pidfd < 0)
                return -ESRCH;
        r = new_question(bus, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})", "unix-process", 2, "pidfd", "h", peer->pidfd, "uid",
                                          "i", (int32_t) peer->uid);
        return r < 0 ? r
                     : finish_and_send(bus, m, action, /* interactive= */ false, callback, userdata, slot);
}
