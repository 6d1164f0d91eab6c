"""What edgetpu_compiler 2.0 to 16.0 prints, read and explained."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeq.compiler import (
    OperatorRow,
)
from edgeq.compiler.failures import CATALOGUE, diagnose, is_random, link_for
from edgeq.compiler.output import ModelBlock, read_output, read_rows
from tests.toolkit import compiler_logs as logs

MIB = 1024**2
OLDER = (
    "the compiler knows TensorFlow Lite as of version 2.5: let edgeq quantize the float model, "
    "or convert it with an older TensorFlow"
)


def block(text: str) -> ModelBlock:
    (only,) = read_output(text).blocks
    return only


class TestReadOutput:
    def test_partly_mapped(self) -> None:
        said = read_output(logs.TWO_SUBGRAPHS)
        assert (said.version, said.milliseconds, said.failed) == ("16.0.384591198", 3173, False)
        assert block(logs.TWO_SUBGRAPHS) == ModelBlock(
            on_chip_bytes=round(6.08 * MIB),
            on_chip_free_bytes=0,
            off_chip_bytes=round(1.70 * MIB),
            subgraphs=2,
            operators=294,
            mapped_operators=289,
            rows=(
                OperatorRow("RESIZE_NEAREST_NEIGHBOR", 2, "Mapped to Edge TPU"),
                OperatorRow(
                    "CONCATENATION",
                    1,
                    "Operation is otherwise supported, but not mapped due to some unspecified "
                    "limitation",
                ),
                OperatorRow("CONCATENATION", 17, "Mapped to Edge TPU"),
            ),
        )

    def test_without_table(self) -> None:
        assert block(logs.WITHOUT_TABLE).rows == ()
        assert block(logs.WITHOUT_TABLE).mapped_operators == 264
        assert not read_output(logs.WITHOUT_TABLE).failed

    def test_operation_log(self) -> None:
        rows = read_rows(logs.OPERATION_LOG)
        assert [(row.op, row.count, row.mapped) for row in rows] == [
            ("ADD", 42, True),
            ("CUSTOM", 1, False),
            ("DEQUANTIZE", 2, False),
            ("QUANTIZE", 1, True),
        ]

    def test_two_models(self) -> None:
        said = read_output(logs.TWO_MODELS)
        assert said.milliseconds == 524
        assert [found.operators for found in said.blocks] == [57, 6]
        assert [found.mapped_operators for found in said.blocks] == [57, 6]

    def test_failure_after_a_success(self) -> None:
        said = read_output(logs.SECOND_SEGMENT_FAILS)
        assert (len(said.blocks), said.failed) == (1, True)

    def test_version_15(self) -> None:
        said = read_output(logs.VERSION_15)
        assert (said.version, said.failed) == ("15.0.340273435", False)
        found = block(logs.VERSION_15)
        assert (found.mapped_operators, found.on_chip_free_bytes) == (1, round(8.05 * MIB))
        assert found.rows[3].status == "Only Strided-Slice with unitary strides supported"

    def test_version_2_0_tells_what_was_available(self) -> None:
        found = block(logs.VERSION_2_0)
        assert found.on_chip_bytes == round(5.66 * MIB)
        assert found.on_chip_free_bytes == round(7.62 * MIB) - round(5.66 * MIB)

    def test_nothing_mapped(self) -> None:
        found = block(logs.NOTHING_MAPPED)
        assert (found.subgraphs, found.operators, found.mapped_operators) == (0, 9, 0)
        assert not read_output(logs.NOTHING_MAPPED).failed

    @given(st.text(max_size=400))
    def test_any_text(self, text: str) -> None:
        said = read_output(text)
        assert said.blocks == ()

    @given(st.data())
    def test_damaged_output(self, data: st.DataObject) -> None:
        text = logs.TWO_SUBGRAPHS
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        for found in read_output(
            text[:start] + data.draw(st.text(max_size=20)) + text[end:]
        ).blocks:
            assert found.subgraphs >= 0
            assert found.on_chip_bytes >= 0


class TestDiagnose:
    @pytest.mark.parametrize(
        ("log", "cause", "remedy"),
        [
            (
                "ERROR: Didn't find op for builtin opcode 'EXP' version '2'. An older version of "
                "this builtin might be supported.\n\nERROR: Registration failed.\n\n"
                "Invalid model: model_2.tflite\nModel could not be parsed\n",
                "operator EXP version 2 is newer than the compiler",
                OLDER,
            ),
            (
                "ERROR: Op builtin_code out of range: 150. Are you using old TFLite binary with "
                "newer model?\nERROR: Registration failed.\n",
                "operator code 150 is newer than the compiler",
                OLDER,
            ),
            (
                logs.START
                + "ERROR: Attempting to use a delegate that only supports static-sized tensors "
                "with a graph that has dynamic-sized tensors.\n" + logs.IN_INTERPRETER + logs.END,
                "the size of a tensor is computed while the model runs",
                "give every input a fixed size with batch 1 and convert the model again",
            ),
            (
                logs.START
                + "ERROR: Encountered unresolved custom op: Atan.\n"
                + logs.IN_INTERPRETER
                + logs.END,
                "the custom operator Atan is not known to the compiler",
                "only TFLite_Detection_PostProcess may stay in the model: cut the model before it",
            ),
            (
                "Invalid model: a.tflite\nModel not quantized\n",
                "the model is not fully integer, or its batch size is not fixed",
                "quantize it with edgeq build",
            ),
            (
                logs.START
                + "ERROR: :80 t->dims->data[d] != t0->dims->data[d] (9 != 13)\n"
                + "ERROR: Node number 120 (CONCATENATION) failed to prepare.\n"
                + logs.IN_INTERPRETER
                + logs.END,
                "it does not load in the compiler's TensorFlow Lite: "
                ":80 t->dims->data[d] != t0->dims->data[d] (9 != 13)",
                OLDER,
            ),
            (
                logs.SECOND_SEGMENT_FAILS,
                "its activations do not fit into the Edge TPU's memory",
                "lower the input resolution, or split the largest layers",
            ),
            (
                logs.START + logs.RESTORED + "Compilation failed: Internal error.\n" + logs.END,
                "the compiler says: Internal error.",
                "lower the input resolution, or split the largest layers",
            ),
            (
                logs.START
                + "libc++abi: terminating with uncaught exception of type std::out_of_range: "
                "vector\n" + logs.END,
                "the compiler has a bug that this model meets (std::out_of_range: vector)",
                "change the sizes of the layers a little, or split the largest",
            ),
            (
                "loc(\"x\"): error: 'tfl.strided_slice' op is not supported on DarwiNN. See the "
                "operation detail: ...\n" + logs.END,
                "strided_slice is not supported by the Edge TPU in this form",
                "models that come from PyTorch need the channels last: convert them with onnx2tf",
            ),
            (
                "loc(\"x\"): error: 'tfl.reshape' op quantization parameters violate the same "
                "scale constraint: !quant.uniform<u8:f32, 0.1:1>\n"
                "Internal compiler error. Aborting! \n",
                "the input and the output of reshape have different scales",
                "quantize the float model again with edgeq build",
            ),
            (
                "Edge TPU Compiler version 14.1.317412892\n\nInternal compiler error. Aborting! \n",
                "internal error of the compiler, mostly a layer that is too large",
                "use compiler 16.0; lower the input resolution, or split the largest layers",
            ),
            (
                "The number of lists given to intermediate_tensors doesn't match the number of "
                "input models.\n",
                "the compiler cannot take the names of the intermediate tensors",
                "rename tensors so that no name has a colon or a comma",
            ),
            (
                "Edge TPU Compiler version 15.0\n",
                "the compiler ended with exit code 1 and without a reason",
                "run it by hand on the .tflite file (edgeq build --save-model) to see more",
            ),
        ],
    )
    def test_known_failures(self, log: str, cause: str, remedy: str) -> None:
        assert diagnose(log, 1) == (cause, remedy)

    @pytest.mark.parametrize(("exit_code", "signal"), [(139, 11), (-11, 11), (134, 6), (-9, 9)])
    def test_signals(self, exit_code: int, signal: int) -> None:
        cause, _ = diagnose("Edge TPU Compiler version 16.0.384591198\n", exit_code)
        assert cause == f"the compiler crashed (signal {signal})"

    @given(st.text(max_size=300), st.integers(-64, 255))
    def test_any_text(self, log: str, exit_code: int) -> None:
        cause, remedy = diagnose(log, exit_code)
        assert cause
        assert remedy

    @pytest.mark.parametrize("failure", CATALOGUE, ids=lambda failure: failure.pattern[:30])
    def test_each_row_has_a_remedy(self, failure: tuple[str, str, str, str]) -> None:
        pattern, cause, remedy, thread = failure
        assert re.fullmatch(r"(edgetpu|libedgetpu|tensorflow)#\d+", thread)
        assert remedy
        assert cause.count("{") <= pattern.count("(")


SEARCHED = """\
Edge TPU Compiler version 16.0.384591198
Searching for valid delegate with step 1
Try to compile segment with 534 ops
Started a compilation timeout timer of 180 seconds.
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation child process completed within timeout period.
Compilation failed!\x20
Try to compile segment with 533 ops
Intermediate tensors: StatefulPartitionedCall:11,a;b/Relu;c:0
Started a compilation timeout timer of 180 seconds.
"""


class TestSearchAndUnknownLines:
    def test_attempts_of_the_search(self) -> None:
        said = read_output(SEARCHED)
        assert [(one.operators, one.intermediate_tensors) for one in said.attempts] == [
            (534, ()),
            (533, ("StatefulPartitionedCall:11", "a;b/Relu;c:0")),
        ]
        assert said.unknown_lines == ()

    @pytest.mark.parametrize(
        "text",
        [
            logs.TWO_SUBGRAPHS,
            logs.WITHOUT_TABLE,
            logs.TWO_MODELS,
            logs.SECOND_SEGMENT_FAILS,
            logs.VERSION_15,
            logs.VERSION_2_0,
            logs.NOTHING_MAPPED,
            logs.START + "Compilation timeout. This is usually caused by large activations.\n"
            "Compilation failed! \n",
            "Edge TPU Compiler version 14.1.317412892\n\nInternal compiler error. Aborting! \n",
        ],
    )
    def test_every_line_of_real_logs_is_known(self, text: str) -> None:
        assert read_output(text).unknown_lines == ()

    def test_other_lines_are_kept_word_for_word(self) -> None:
        odd = "  libc++abi: something new: 7 "
        said = read_output(f"{logs.START}{odd}\n{logs.END}")
        assert said.unknown_lines == (odd,)


def test_links_lead_to_public_threads() -> None:
    assert link_for("Compilation timeout.") == "https://github.com/google-coral/edgetpu/issues/686"
    assert (
        link_for("bias_scale) <= 1e-6") == "https://github.com/tensorflow/tensorflow/issues/36705"
    )
    assert link_for("Model could not be parsed") == (
        "https://github.com/google-coral/libedgetpu/issues/71"
    )
    assert link_for("all is well") == ""


@pytest.mark.parametrize(
    ("log", "major", "random"),
    [
        ("Internal compiler error. Aborting! ", 14, True),
        ("Internal compiler error. Aborting! ", 16, False),
        ("Model not quantized", 14, False),
    ],
)
def test_only_old_versions_fail_at_random(log: str, major: int, random: bool) -> None:
    assert is_random(log, major) is random
