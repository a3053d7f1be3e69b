"""A picture that is the spectrum of a sound can be listened to, where somebody asks for it.

To make a sound of a spectrum takes a quarter of a second of a core: not every pair that is shown is
heard, too.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from oneseed.media.sound import wav_bytes
from oneseed.page.events import PRIVATE_MODEL_TASK, Component, messages
from oneseed.page.uploads import uploaded_image

# colours of the player's waves: those of the page's lines and of its text
STILL_TO_COME = "#b9b4a8"
HEARD = "#171410"


@dataclass(frozen=True)
class Listening:
    """button: asks for the sound; player: plays it, hidden until then."""

    button: Component
    player: Component

    @property
    def outputs(self) -> list[Component]:
        """In the order of listening_updates."""
        return [self.button, self.player]


def sound_player(gr: ModuleType) -> Component:
    """The player of the sound that a picture stands for, hidden until it is asked for."""
    return gr.Audio(
        label="The sound",
        show_label=False,
        interactive=False,
        autoplay=True,
        visible=False,
        buttons=["download"],
        waveform_options=gr.WaveformOptions(
            waveform_color=STILL_TO_COME, waveform_progress_color=HEARD
        ),
        elem_id="sound",
    )


def listen_button(gr: ModuleType) -> Component:
    """Asks for the sound; hidden where pictures are pictures."""
    return gr.Button("Listen", elem_id="listen", min_width=60, visible=False)


def connect_listening(gr: ModuleType, listening: Listening, picture: Component) -> None:
    """A click on the button plays the sound of the picture that is shown."""
    cache = picture.GRADIO_CACHE

    def heard(shown: Any) -> Component:
        with messages(gr):
            sound = wav_bytes(uploaded_image(shown, cache))
            path = gr.processing_utils.save_bytes_to_cache(sound, "sound.wav", cache)
            return gr.Audio(path, visible=True)

    listening.button.click(heard, picture, listening.player, **PRIVATE_MODEL_TASK)


def listening_updates(gr: ModuleType, *, is_sound: bool) -> tuple[Component, Component]:
    """Updates of a Listening for another picture. is_sound: whether it stands for one."""
    return gr.Button(visible=is_sound), gr.Audio(None, visible=False)
