adit_test(tests/dataplane/io SUFFIX _gso LABEL unit
  SOURCES gso_drain_test.cc gso_queue_property_test.cc gso_queue_test.cc gso_refusals_test.cc
  DEPS common dataplane/io/gso)
