# The simulation of the MQTT door: sim_wire. Its functions stand in for those of the system that the
# door, libmosquitto and libuv call; see wire_os.h.

add_executable(sim_wire sim_wire_main.c wire_broker.c wire_check.c wire_net.c wire_os.c wire_outbox.c
    wire_packet.c wire_plan.c wire_plan_text.c
    wire_plant.c wire_put.c wire_sender.c wire_session.c wire_steps.c
    wire_tell.c wire_world.c wire_worker.c)
target_link_libraries(sim_wire PRIVATE zingq_core)
foreach(name dlsym mosquitto_loop_misc mosquitto_loop_read mosquitto_publish_v5 mqtt_hold
        mqtt_on_message mqtt_on_publish mqtt_packet_check mqtt_send_subscriptions poll pthread_create
        randombytes_buf uv_async_send uv_random uv_timer_start)
    target_link_options(sim_wire PRIVATE LINKER:--wrap=${name})
endforeach()
foreach(name clock_gettime close freeaddrinfo getaddrinfo write)
    target_link_options(sim_wire PRIVATE LINKER:--export-dynamic-symbol=${name})
endforeach()

# Every seed that ever failed, and a fixed number of others.
if(ZINGQ_WIRE_GUARD)
    add_test(NAME "sim.wire${TEST_SUFFIX}" COMMAND sim_wire
        --file ${CMAKE_CURRENT_SOURCE_DIR}/seeds_wire.txt --from 1 --count 1000)
    set_tests_properties("sim.wire${TEST_SUFFIX}" PROPERTIES LABELS engine TIMEOUT 300)
endif()
