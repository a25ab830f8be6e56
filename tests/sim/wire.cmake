# The simulation of the MQTT door: sim_wire. Its functions stand in for those of the system that the
# door, libmosquitto and libuv call; see wire_os.h. Without the wire guard nothing leads to them.

if(NOT ZINGQ_WIRE_GUARD)
    return()
endif()

add_executable(sim_wire sim_wire_main.c wire_broker.c wire_check.c wire_filters.c wire_net.c
    wire_os.c wire_outbox.c wire_packet.c wire_plan.c wire_plan_text.c wire_plant.c wire_put.c
    wire_sender.c wire_session.c wire_steps.c wire_tell.c wire_world.c wire_worker.c)
set_target_properties(sim_wire PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_link_libraries(sim_wire PRIVATE zingq_core)
target_include_directories(sim_wire PRIVATE ${CMAKE_SOURCE_DIR}/tests/support)
foreach(name dlsym mosquitto_disconnect_v5 mosquitto_loop_misc mosquitto_loop_read
        mosquitto_publish_v5 mqtt_forget_watches mqtt_guard_tried mqtt_hold mqtt_learn mqtt_link_closing mqtt_link_free
        mqtt_link_watch mqtt_lose_saying mqtt_marker_read mqtt_on_message mqtt_on_publish
        mqtt_packet_check mqtt_publish mqtt_send_subscriptions mqtt_suspect_will poll pthread_create
        randombytes_buf uv_async_send uv_random uv_timer_start)
    target_link_options(sim_wire PRIVATE LINKER:--wrap=${name})
endforeach()
foreach(name __assert_fail clock_gettime close freeaddrinfo getaddrinfo)
    target_link_options(sim_wire PRIVATE LINKER:--export-dynamic-symbol=${name})
endforeach()

# Every world that ever failed, and a fixed number of others: some 20 s.
add_test(NAME "sim.wire${TEST_SUFFIX}" COMMAND sim_wire
    --file ${CMAKE_CURRENT_SOURCE_DIR}/seeds_wire.txt --from 1 --count 400)
set_tests_properties("sim.wire${TEST_SUFFIX}" PROPERTIES LABELS sim TIMEOUT 600 PROCESSORS 2)
