# The helpers every CMakeLists.txt of the tree uses.

# Compile and link options of our own targets; generated code does not get the warnings.
add_library(adit_options INTERFACE)
target_include_directories(adit_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(adit_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -fstack-protector-strong -fcf-protection
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(ADIT_SANITIZE STREQUAL "off")
  # With a sanitizer g++ 12 takes the zeroing it inserts for uses of uninitialised temporaries.
  target_compile_options(adit_options INTERFACE -ftrivial-auto-var-init=zero)
endif()
target_compile_definitions(adit_options INTERFACE _GLIBCXX_ASSERTIONS
  ADIT_VERSION="${PROJECT_VERSION}")
target_link_options(adit_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(ADIT_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(ADIT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(adit_options INTERFACE _FORTIFY_SOURCE=2)
endif()

# adit_library(dataplane/io SOURCES a.cc … DEPS common dataplane/packet LIBS absl::status …)
# makes the static library adit_dataplane_io of the folder's sources. DEPS are our folders.
function(adit_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  add_library(adit_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(adit_${name} PUBLIC adit_options ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
  foreach(dep ${ARG_DEPS})
    string(REPLACE "/" "_" dep_name ${dep})
    target_link_libraries(adit_${name} PUBLIC adit_${dep_name})
  endforeach()
endfunction()

# adit_test(tests/dataplane/io LABEL unit SOURCES a_test.cc … DEPS dataplane/io tests/support)
# makes one test program and registers each of its cases with ctest under the label.
# SERIAL: its cases never run beside others (they own namespaces, ports or the machine's speed).
function(adit_test folder)
  cmake_parse_arguments(ARG "SERIAL" "LABEL;TIMEOUT;SUFFIX" "SOURCES;DEPS;LIBS" ${ARGN})
  string(REPLACE "/" "_" name ${folder}${ARG_SUFFIX})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE adit_options GTest::gmock GTest::gtest_main ${ARG_LIBS})
  target_compile_definitions(${name} PRIVATE ADIT_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    ADIT_BINARY_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  target_compile_options(${name} PRIVATE -Wno-sign-conversion)
  foreach(dep ${ARG_DEPS})
    string(REPLACE "/" "_" dep_name ${dep})
    target_link_libraries(${name} PRIVATE adit_${dep_name})
  endforeach()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set(properties LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SERIAL)
    list(APPEND properties RUN_SERIAL ON)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()
