"""The words of schedules that other folders of response use; their rules are those of `tocsin_oncall`."""

from tocsin_oncall.render import Duty as Duty
from tocsin_oncall.schedule import Override as Override
