/*
 * operate_publish.c - see operate_impl.h. A publish is given again, under the same key, until it is
 * answered with 0: then it has been made, and made once.
 */
#include "operate_impl.h"

#include "sim.h"

#include <stdio.h>

enum { AFTER_MS = 20000 };

void operate_publish(struct sim *s, struct node *n) {
    struct order *order = order_new(s, n, COMMAND_PUBLISH);
    struct said *one =
        load_write(s, order->topic, sizeof order->topic, order->payload, sizeof order->payload);
    one->skipped = true; /* it takes another way than what the broker deals */
    order->said = one->number;
    order->again = true;
    (void)snprintf(order->once, sizeof order->once, "operator-%u", one->number);
    order->command.topic = slice_of(order->topic);
    order->command.payload = slice_of(order->payload);
    order->command.once = slice_of(order->once);
    order->command.qos = 1;
    order->command.after_ms = sim_chance(s, 50) ? 1 + (int64_t)sim_below(s, AFTER_MS) : 0;
    order_give(s, n, order, "publish");
}

void operate_signal(struct sim *s, struct node *n, const char *service, unsigned key,
                    const char *name, const char *value, const char *once) {
    struct order *order = order_new(s, n, COMMAND_SIGNAL);
    order->again = true;
    (void)snprintf(order->key, sizeof order->key, "k%u", key);
    (void)snprintf(order->topic, sizeof order->topic, "%s", name);
    (void)snprintf(order->payload, sizeof order->payload, "%s", value);
    (void)snprintf(order->once, sizeof order->once, "%s", once);
    order->command.service = slice_of(service);
    order->command.key = slice_of(order->key);
    order->command.name = slice_of(order->topic);
    order->command.payload = slice_of(order->payload);
    order->command.once = slice_of(order->once);
    order_give(s, n, order, "send a signal to");
}

void operate_cancel_publish(struct sim *s, struct node *n) {
    struct pick pick;
    if (!pick_delayed(s, n, &pick)) {
        return;
    }
    struct order *order = order_new(s, n, COMMAND_CANCEL);
    order->said = pick.said->number;
    order->was_doubt = pick.said->may_be_gone;
    order->command.id = pick.id;
    order->command.publish_only = true;
    pick.said->may_be_gone = true;
    order_give(s, n, order, "take back a publish");
}

/* What it says is never heard, unless the broker had it already. */
void operate_outbox(struct sim *s, struct node *n) {
    struct pick pick;
    if (!pick_refused(s, n, &pick)) {
        order_give(s, n, order_new(s, n, COMMAND_OUTBOX_RETRY), "send what was refused");
        return;
    }
    struct order *order = order_new(s, n, COMMAND_OUTBOX_DISCARD);
    order->said = pick.said->number;
    order->was_doubt = pick.said->may_be_gone;
    order->command.id = pick.id;
    pick.said->may_be_gone = true;
    order_give(s, n, order, "discard a publish");
}
