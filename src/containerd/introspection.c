/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/introspection.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/unary.h"
#include "proto/introspection.pb-c.h"

static const Method plugins = {
        .path = "/containerd.services.introspection.v1.Introspection/Plugins",
        .request = &introspection__plugins_request__descriptor,
        .reply = &introspection__plugins_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method server = {
        .path = "/containerd.services.introspection.v1.Introspection/Server",
        .request = &pb__empty__descriptor,
        .reply = &introspection__server_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

void ctr_plugins_clear(CtrPlugins *list) {
        for (size_t i = 0; i < list->count; i++) {
                CtrPlugin *plugin = &list->items[i];

                free(plugin->type);
                free(plugin->id);
                free(plugin->error);
                ctr_labels_clear(&plugin->exports);
        }
        free(list->items);
        *list = (CtrPlugins) {};
}

static int read_plugin(const Introspection__Plugin *plugin, CtrPlugin *ret) {
        if (read_string(&ret->type, plugin->type) < 0 || read_string(&ret->id, plugin->id) < 0 ||
            read_labels(plugin->exports, plugin->n_exports, &ret->exports) < 0)
                return -ENOMEM;
        if (plugin->init_err) {
                const char *message = plugin->init_err->message;

                ret->error = strdup(isempty(message) ? "unknown error" : message);
                if (!ret->error)
                        return -ENOMEM;
        }
        return 0;
}

int ctr_introspection_plugins(CtrClient *client, char *const *filters, CtrPlugins *ret, Error *error) {
        Introspection__PluginsRequest request = INTROSPECTION__PLUGINS_REQUEST__INIT;
        _cleanup_message_ Introspection__PluginsResponse *reply = NULL;
        _cleanup_(ctr_plugins_clear) CtrPlugins list = {};
        int r;

        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = call_unary(client, &plugins, &request.base, &reply, error);
        if (r < 0)
                return r;

        list.items = new0(CtrPlugin, reply->n_plugins + 1);
        if (!list.items)
                return error_oom(error);
        for (size_t i = 0; i < reply->n_plugins; i++)
                if (read_plugin(reply->plugins[i], &list.items[list.count++]) < 0)
                        return error_oom(error);
        *ret = TAKE(list, (CtrPlugins) {});
        return 0;
}

int ctr_introspection_root(CtrClient *client, const char *type, const char *id, char **ret, Error *error) {
        _cleanup_(ctr_plugins_clear) CtrPlugins list = {};
        _cleanup_free_ char *filter = NULL;
        int r;

        filter = id ? format_string("type==%s,id==%s", type, id) : format_string("type==%s", type);
        if (!filter)
                return error_oom(error);
        r = ctr_introspection_plugins(client, (char *[]) { filter, NULL }, &list, error);
        if (r < 0)
                return r;

        for (size_t i = 0; i < list.count; i++) {
                const char *root = ctr_labels_get(&list.items[i].exports, "root");

                if (list.items[i].error || isempty(root))
                        continue;
                char *copy = strdup(root);
                if (!copy)
                        return error_oom(error);
                *ret = copy;
                return 0;
        }
        return error_set(error, ERROR_NOT_FOUND,
                         "containerd has no running plugin %s%s%s that tells its root", type, id ? "." : "",
                         strempty(id));
}

void ctr_server_clear(CtrServer *s) {
        free(s->uuid);
        *s = (CtrServer) {};
}

int ctr_introspection_server(CtrClient *client, CtrServer *ret, Error *error) {
        Pb__Empty request = PB__EMPTY__INIT;
        _cleanup_message_ Introspection__ServerResponse *reply = NULL;
        int r;

        r = call_unary(client, &server, &request.base, &reply, error);
        if (r < 0)
                return r;
        char *uuid = strdup(reply->uuid);
        if (!uuid)
                return error_oom(error);
        *ret = (CtrServer) { .uuid = uuid, .pid = reply->pid, .pidns = reply->pidns };
        return 0;
}
