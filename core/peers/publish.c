/* publish.c - see peers/publish.h. */
#include "peers/publish.h"

#include "base/limits.h"

int peers_publish(struct mqtt *mqtt, const struct mqtt_publish *message, peers_sign *sign,
                  void *ctx, int *mid, struct report *r) {
    struct mqtt_publish signed_one = *message;
    struct buf properties;
    buf_init(&properties, FORWARD_PACKET_ROOM_BYTES);
    if (sign != NULL) {
        sign(ctx, message, &properties);
    }
    signed_one.properties = buf_slice(&properties);
    int code = properties.failed ? ERR_MEMORY : mqtt_publish(mqtt, &signed_one, mid, r);
    buf_clear(&properties);
    return code;
}
