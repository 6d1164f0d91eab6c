"""What edgetpu_compiler printed in public reports, shortened; versions 2.0 to 16.0."""

from __future__ import annotations

PARTLY = """\

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of \
the model will instead run on the CPU, which is slower. If possible, consider updating your model \
to use only operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.
"""

TWO_SUBGRAPHS = f"""\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 3173 ms.

Input model: yolov5s-int8-224.tflite
Input size: 7.37MiB
Output model: yolov5s-int8-224_edgetpu.tflite
Output size: 8.34MiB
On-chip memory used for caching model parameters: 6.08MiB
On-chip memory remaining for caching model parameters: 0.00B
Off-chip memory used for streaming uncached model parameters: 1.70MiB
Number of Edge TPU subgraphs: 2
Total number of operations: 294
Operation log: yolov5s-int8-224_edgetpu.log
{PARTLY}\
Number of operations that will run on Edge TPU: 289
Number of operations that will run on CPU: 5

Operator                       Count      Status

RESIZE_NEAREST_NEIGHBOR        2          Mapped to Edge TPU
CONCATENATION                  1          Operation is otherwise supported, but not mapped due to \
some unspecified limitation
CONCATENATION                  17         Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!
"""

WITHOUT_TABLE = f"""\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1524 ms.

Input model: efficientdet_coral_v2.tflite
Input size: 4.24MiB
Output model: efficientdet_coral_v2_edgetpu.tflite
Output size: 5.57MiB
On-chip memory used for caching model parameters: 4.21MiB
On-chip memory remaining for caching model parameters: 3.29MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 267
Operation log: efficientdet_coral_v2_edgetpu.log
{PARTLY}\
Number of operations that will run on Edge TPU: 264
Number of operations that will run on CPU: 3
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded!\x20\n"""

OPERATION_LOG = """\
Edge TPU Compiler version 16.0.384591198
Input: efficientdet_coral_v2.tflite
Output: efficientdet_coral_v2_edgetpu.tflite

Operator                       Count      Status

ADD                            42         Mapped to Edge TPU
CUSTOM                         1          Operation is working on an unsupported data type
DEQUANTIZE                     2          Operation is working on an unsupported data type
QUANTIZE                       1          Mapped to Edge TPU
"""

TWO_MODELS = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Models compiled successfully in 524 ms.

Input model: temp_models/1.tflite
Input size: 1.91MiB
Output model: temp_models/co-compiled/2/1_edgetpu.tflite
Output size: 2.52MiB
On-chip memory used for caching model parameters: 2.27MiB
On-chip memory remaining for caching model parameters: 1.07MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 57
Operation log: temp_models/co-compiled/2/1_edgetpu.log
See the operation log file for individual operation details.

Input model: temp_models/2.tflite
Input size: 1.87MiB
Output model: temp_models/co-compiled/2/2_edgetpu.tflite
Output size: 2.06MiB
On-chip memory used for caching model parameters: 2.00MiB
On-chip memory remaining for caching model parameters: 1.07MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 6
Operation log: temp_models/co-compiled/2/2_edgetpu.log
"""

SECOND_SEGMENT_FAILS = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1857 ms.

Input model: efficientdet_lite3_512_ptq_segment_0_of_2.tflite
Input size: 5.20MiB
Output model: efficientdet_lite3_512_ptq_segment_0_of_2_edgetpu.tflite
Output size: 6.51MiB
On-chip memory used for caching model parameters: 6.02MiB
On-chip memory remaining for caching model parameters: 1.02MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 84
Operation log: efficientdet_lite3_512_ptq_segment_0_of_2_edgetpu.log
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded!\x20
Started a compilation timeout timer of 180 seconds.
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation child process completed within timeout period.
Compilation failed!\x20\n"""

VERSION_15 = f"""\
Edge TPU Compiler version 15.0.340273435

Model compiled successfully in 93 ms.

Input model: /home/yolov5/yolov5s_int8.tflite
Input size: 7.39MiB
Output model: /home/yolov5/yolov5s_int8_edgetpu.tflite
Output size: 7.34MiB
On-chip memory used for caching model parameters: 0.00B
On-chip memory remaining for caching model parameters: 8.05MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 294
Operation log: /home/yolov5/yolov5s_int8_edgetpu.log
{PARTLY}\
Number of operations that will run on Edge TPU: 1
Number of operations that will run on CPU: 293

Operator                       Count      Status

QUANTIZE                       1          Mapped to Edge TPU
QUANTIZE                       24         More than one subgraph is not supported
TRANSPOSE                      3          Operation not supported
STRIDED_SLICE                  4          Only Strided-Slice with unitary strides supported
RESIZE_NEAREST_NEIGHBOR        2          Operation version not supported
"""

VERSION_2_0 = f"""\
Edge TPU Compiler version 2.0.267685300

Model compiled successfully in 313 ms.

Input model: output_tflite_graph.tflite
Input size: 5.33MiB
Output model: output_tflite_graph_edgetpu.tflite
Output size: 5.75MiB
On-chip memory available for caching model parameters: 7.62MiB
On-chip memory used for caching model parameters: 5.66MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 64
Operation log: output_tflite_graph_edgetpu.log
{PARTLY}\
Number of operations that will run on Edge TPU: 63
Number of operations that will run on CPU: 1

Operator                       Count      Status

CUSTOM                         1          Operation is working on an unsupported data type
CONCATENATION                  2          Mapped to Edge TPU
"""

NOTHING_MAPPED = f"""\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 2 ms.

Input model: conv_net.tflite
Input size: 23.23KiB
Output model: conv_net_edgetpu.tflite
Output size: 22.64KiB
On-chip memory used for caching model parameters: 0.00B
On-chip memory remaining for caching model parameters: 0.00B
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 0
Total number of operations: 9
Operation log: conv_net_edgetpu.log
{PARTLY}\
Number of operations that will run on Edge TPU: 0
Number of operations that will run on CPU: 9
"""

START = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.
"""

END = """\
Compilation child process completed within timeout period.
Compilation failed!\x20
"""

IN_INTERPRETER = (
    "Compilation failed: Model failed in Tflite interpreter. Please ensure model can be "
    "loaded/run in Tflite interpreter.\n"
)

RESTORED = "ERROR: Restored original execution plan after delegate application failure.\n"
